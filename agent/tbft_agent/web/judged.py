"""What came of the last candidate, as the journal has it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import msgspec

from tbft_agent.journal import Entry


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate, `how` it was made, and how many of `images` labelled ones that it was not trained on it (`after`)
    and the model that answered (`before`) got right.

    `what` happened to it, an event of the table; `version` is its number if it answered, `verified` whether labels say
    that it is better by more than `chance`.
    """

    time: str
    what: str
    says: str
    how: str
    images: int
    right_before: int
    right_after: int
    chance: float
    version: int | None
    verified: bool


class _Figures(msgspec.Struct, rename=lambda name: name.replace("_", " ")):
    how: str
    images: int
    right_before: int
    right_after: int
    chance: float
    version: int | None = None
    verified: bool = False


def last_judged(entries: Sequence[Entry]) -> Judged | None:
    """Of entries, the oldest first; None where no candidate was judged."""
    for entry in reversed(entries):
        # A page asks every second, and hardly one of its entries is of a candidate.
        if "how" not in entry.figures:
            continue
        with contextlib.suppress(msgspec.ValidationError):
            found = msgspec.convert(entry.figures, _Figures)
            return Judged(time=entry.time, what=entry.what, says=entry.says, **msgspec.structs.asdict(found))
    return None
