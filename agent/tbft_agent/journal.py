"""What was decided, when, and the figures that decided it: lines of JSON, of which the oldest go.

A line that a pulled plug cut is passed over; nothing else depends on what is here.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tbft_agent.clock import Clock
from tbft_artifacts.rights import PRIVATE_FILE

# Of either of the two files that there are.
MOST_BYTES = 1 << 20
_LONGEST_LINE = 64 << 10


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`what` happened, at `time` (ISO 8601, a label that may be wrong), in one sentence and in figures."""

    time: str
    what: str
    says: str
    figures: dict[str, Any] = {}


class Journal:
    """The file `journal.jsonl`, and the one before it."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._path, self._old, self._clock = folder / "journal.jsonl", folder / "journal.1.jsonl", clock

    def write(self, what: str, says: str, **figures: Any) -> Entry:
        """Add an entry. A disk that is full loses it, and nothing else."""
        entry = Entry(time=self._clock.now().isoformat(timespec="seconds"), what=what, says=says, figures=figures)
        line = msgspec.json.encode(entry) + b"\n"
        with contextlib.suppress(OSError):
            if self._path.exists() and self._path.stat().st_size + len(line) > MOST_BYTES:
                self._path.replace(self._old)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
            with os.fdopen(descriptor, "ab") as file:
                # Behind a line that was cut.
                file.write(b"\n" + line if _is_cut(self._path) else line)
        return entry

    def latest(self, most: int) -> list[Entry]:
        """The last entries, the oldest of them first."""
        found: list[Entry] = []
        for path in (self._old, self._path):
            with contextlib.suppress(OSError):
                found += _entries(path)
        return found[-most:]


def _is_cut(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _entries(path: Path) -> Iterator[Entry]:
    with path.open("rb") as file:
        while line := file.readline(_LONGEST_LINE):
            with contextlib.suppress(msgspec.MsgspecError):
                yield msgspec.json.decode(line, type=Entry)
