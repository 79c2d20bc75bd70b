"""How many results of a device a host keeps: whoever breaks into a board must not fill the host's disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tbft_artifacts.atomic import clear_disk_errors

# More than the outbox of a device holds: what a carrier brings again is known still.
MOST_RESULTS = 1000
MOST_BYTES = 1 << 30
_GONE = ".old-"


def keep_newest(results: Path) -> int:
    """Remove the oldest results of a device that are too many, or too large together, and never the newest one.

    Returns the lowest number that stays, 0 where all do. Raises TbftError where that cannot be done.
    """
    with clear_disk_errors(results):
        for left in results.glob(f"{_GONE}*"):
            shutil.rmtree(left)
        places = {int(path.name): path for path in results.iterdir() if path.name.isdecimal()}
        size, stay = 0, list[int]()
        for number in sorted(places, reverse=True):
            size += _bytes(places[number])
            if stay and (len(stay) >= MOST_RESULTS or size > MOST_BYTES):
                # Gone at once: of half a result nobody could say what was signed.
                shutil.rmtree(places[number].rename(results / f"{_GONE}{number}"))
            else:
                stay.append(number)
    return 0 if len(stay) == len(places) else stay[-1]


def _bytes(result: Path) -> int:
    with os.scandir(result) as files:
        return sum(file.stat(follow_symlinks=False).st_size for file in files)
