"""What lies in a room before and after a command: inputs stay as they are, and nothing is left over."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path

from fuzz.case import Case
from support.forked_command import Room

# As atomic files are named while they are written.
UNFINISHED = ("*/.*.tmp", "*/.tmp??????", ".*.tmp")
# Path relative to the disk -> size and time of change, or the kind of what is no file.
Listing = dict[str, tuple[int, int, int]]


def listing(folder: Path) -> Listing:
    """Everything below `folder`; links are not followed."""
    found: Listing = {}
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(place) / name
            about = path.lstat()
            is_folder = path.is_dir() and not path.is_symlink()
            found[path.relative_to(folder).as_posix()] = (
                about.st_mode,
                0 if is_folder else about.st_size,
                0 if is_folder else about.st_mtime_ns,
            )
    return found


def problems(case: Case, before: Listing, room: Room, *, ended_well: bool) -> list[str]:
    """What the command left or changed that it should not have."""
    after = listing(room.disk)
    outputs = [f"work/{name}" for name in case.outputs]
    new = [path for path in after if path not in before]
    found = [f"left {path}" for path in new if not _is_below(path, outputs)]
    found += [
        f"changed {path}" for path, about in before.items() if after.get(path) != about and not _is_below(path, outputs)
    ]
    found += [f"left unfinished {path}" for path in new if any(fnmatch.fnmatch(path, each) for each in UNFINISHED)]
    for output in outputs:
        made = room.disk / output
        if output in before or not made.is_dir():
            continue
        if not ended_well and not (made / "state.safetensors").exists():
            found.append(f"left the folder {output} of a start that came to nothing")
        if ended_well and (made / "cache").exists():
            found.append(f"left the cache of a run that ended, in {output}")
    return found[:5]


def _is_below(path: str, outputs: list[str]) -> bool:
    return any(path == output or path.startswith(f"{output}/") for output in outputs)
