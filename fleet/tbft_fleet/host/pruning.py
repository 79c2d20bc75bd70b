"""What a repository has no use for any more: every device reads the list of all its releases with each new one."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path

from tbft_fleet.files.release import Release
from tbft_fleet.host.metadata import Files

# Releases that can be gone back to, and versions of metadata that a device may be reading now.
KEPT = 32


def superseded(releases: Sequence[Release], kept: int) -> set[int]:
    """Numbers of releases that nobody takes any more.

    That is all but the `kept` newest, and the last of each group that all of it may take. `releases` are in the order
    of their numbers.
    """
    numbers = sorted({release.number for release in releases})
    needed = set(numbers[-kept:])
    # Later ones come later: the last of a group stays.
    open_to_all = {group: release.number for release in releases if release.percent == 100 for group in release.groups}
    return set(numbers) - needed - {*open_to_all.values()}


def remove_unused(files: Files, archives: Path, used: Collection[str], kept: int) -> None:
    """Remove archives that are not `used`, and old metadata but roots.

    Whoever holds the fleet's lock removes so what killed releases left, finished or not.
    """
    for path in archives.iterdir():
        if path.name not in used:
            _remove(path)
    for role in ("targets", "snapshot"):
        for version in range(files.latest(role) - kept, 0, -1):
            path = files.folder / f"{version}.{role}.json"
            if not path.exists():
                break
            _remove(path)


def _remove(path: Path) -> None:
    # It is signed already that nobody needs it: next time it may succeed.
    with contextlib.suppress(OSError):
        path.unlink()
