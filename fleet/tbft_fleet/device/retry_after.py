"""A server that is busy may say when it wants to be asked again (RFC 9110, 10.2.3)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tbft_fleet.device.clock import wall_clock

# Of a date, and of a number of seconds; whoever says more says nothing.
_LONGEST = 40


class LaterError(OSError):
    """A server did not give what it was asked for; it wants to be left alone for `seconds`, 0 where it says nothing."""

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(why)
        self.seconds = seconds


def retry_after(text: str | None, now: datetime | None = None) -> float:
    """Seconds, of what the header holds: a number of them, or a date; 0 of what is neither."""
    words = (text or "").strip()[:_LONGEST]
    if words.isascii() and words.isdecimal():
        return float(words)
    try:
        date = parsedate_to_datetime(words)
    except ValueError:
        return 0.0
    # "-0000" is a time of nowhere in particular.
    whole = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max(0.0, (whole - (now or wall_clock())).total_seconds())
