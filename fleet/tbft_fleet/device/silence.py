"""A device on which nothing is new tells how it is nevertheless: to its host, who hears nothing is switched off."""

from __future__ import annotations

import time

from tbft_artifacts.regular import read_at_most
from tbft_fleet.device.place import Place

# Once a day, also where a timer's moments are spread.
EVERY_SECONDS = 20 * 3600.0


def is_silent(place: Place) -> bool:
    """Whether nothing was signed for so long, of whatever kind; or the clock was set back behind the last."""
    # Written with each result.
    try:
        has_told, told_at = read_at_most(place.counter, 64).strip() != b"0", place.counter.stat().st_mtime
    except OSError:
        return True
    return not has_told or not 0 <= time.time() - told_at < EVERY_SECONDS
