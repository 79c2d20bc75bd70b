"""What was decided, when, and the figures that decided it: lines of JSON, of which the oldest go.

A line that a pulled plug cut is passed over; nothing else depends on what is here.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Any

import msgspec

from tbft_agent.clock import Clock
from tbft_artifacts.regular import read_at_most
from tbft_artifacts.rights import PRIVATE_FILE

# Of either of the two files that there are.
MOST_BYTES = 1 << 20
_LONGEST_LINE = 64 << 10
_LONGEST_WORDS = 4 << 10


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
        self._lock = threading.Lock()

    def write(self, what: str, says: str, **figures: Any) -> Entry:
        """Add an entry. A disk that is full loses it, and nothing else."""
        time = self._clock.now().isoformat(timespec="seconds")
        entry = Entry(time=time, what=what, says=_utf8(says), figures={name: _plain(figures[name]) for name in figures})
        line = msgspec.json.encode(entry) + b"\n"
        with self._lock, contextlib.suppress(OSError):
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
        for path in (self._path, self._old):
            if len(found) < most:
                with contextlib.suppress(OSError):
                    found = _entries(path, most - len(found)) + found
        return found


def _is_cut(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _entries(path: Path, most: int) -> list[Entry]:
    """The last of a file; read from its end, since a page asks for a few every second."""
    found: list[Entry] = []
    for line in reversed(read_at_most(path, MOST_BYTES + _LONGEST_LINE).splitlines()):
        if len(found) == most:
            break
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found.append(msgspec.json.decode(line, type=Entry))
    return found[::-1]


def _utf8(words: str) -> str:
    """A file's name may have bytes that are none, and an error names it."""
    return words[:_LONGEST_WORDS].encode(errors="backslashreplace").decode()


def _plain(value: object) -> object:
    """A figure that any reader of JSON knows."""
    if isinstance(value, float):
        return float(value)
    return value if value is None or isinstance(value, int) else _utf8(str(value))
