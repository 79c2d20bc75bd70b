"""How much room there is on a disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Disk(NamedTuple):
    """Its bytes: those that are `free` for this user, and all."""

    free: int
    whole: int


def disk_of(folder: Path) -> Disk | None:
    """The disk that a folder lies on; None of a file system that has no figures, and says that it has nothing at all.

    Raises OSError where it cannot be asked.
    """
    found = os.statvfs(folder)
    return Disk(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize) if found.f_blocks else None
