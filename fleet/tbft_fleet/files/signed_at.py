"""When a host signed the timestamp of its repository: a field of ours, by which devices without a clock count."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

FIELD = "made_at"


def signed_at(fields: Mapping[str, object]) -> datetime | None:
    """Of the fields of a timestamp that TUF does not know; None where none is said."""
    try:
        found = datetime.fromisoformat(str(fields.get(FIELD)))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
