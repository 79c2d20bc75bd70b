"""Names that become parts of paths, of inventories and of labels."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

# What a host name may be, in lower case: RFC 1123.
_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z"
DeviceId = Annotated[str, Meta(pattern=_NAME)]
Group = Annotated[str, Meta(pattern=_NAME)]


def is_name(text: str) -> bool:
    """Whether a device or a group may be called so."""
    return re.match(_NAME, text) is not None
