"""What was decided, when, and the figures that decided it: lines of JSON, of which the oldest go.

A line that a pulled plug cut is passed over; nothing else depends on what is here.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from tbft_agent.clock import Clock
from tbft_artifacts.regular import read_at_most
from tbft_artifacts.rights import PRIVATE_FILE

# Of either of the two files that there are.
MOST_BYTES = 1 << 20
# Entries that are kept in memory: a page asks for the last of them every second.
REMEMBERED = 2000
_LONGEST_LINE = 64 << 10
_LONGEST_WORDS = 4 << 10


_Sign = tuple[int, int, int] | None


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
        # The last entries, and what the files looked like that they were read from.
        self._latest: deque[Entry] = deque(maxlen=REMEMBERED)
        self._signs: tuple[_Sign, _Sign] | None = None

    def write(self, what: str, says: str, **figures: Any) -> Entry:
        """Add an entry. A disk that is full loses it, and nothing else."""
        time = self._clock.now().isoformat(timespec="seconds")
        entry = Entry(time=time, what=what, says=_utf8(says), figures={name: _plain(figures[name]) for name in figures})
        line = msgspec.json.encode(entry) + b"\n"
        with self._lock, contextlib.suppress(OSError):
            is_known = self._signs == self._looks()
            if self._path.exists() and self._path.stat().st_size + len(line) > MOST_BYTES:
                self._path.replace(self._old)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
            with os.fdopen(descriptor, "ab") as file:
                # Behind a line that was cut.
                file.write(b"\n" + line if _is_cut(self._path) else line)
            if is_known:
                self._latest.append(msgspec.json.decode(line, type=Entry))
                self._signs = self._looks()
        return entry

    def latest(self, most: int) -> list[Entry]:
        """The last entries, the oldest of them first; files are read for more than are remembered, or if they changed.

        What a pulled plug or another program did to them is seen so.
        """
        with self._lock:
            if most > REMEMBERED:
                return self._read(most)
            looks = self._looks()
            if self._signs != looks:
                self._latest.clear()
                self._latest.extend(self._read(REMEMBERED))
                self._signs = looks
            return list(self._latest)[max(0, len(self._latest) - most) :]

    def _read(self, most: int) -> list[Entry]:
        found: list[Entry] = []
        for path in (self._path, self._old):
            if len(found) < most:
                with contextlib.suppress(OSError):
                    found = _entries(path, most - len(found)) + found
        return found

    def _looks(self) -> tuple[_Sign, _Sign]:
        return _sign(self._path), _sign(self._old)


def _sign(path: Path) -> _Sign:
    """Which file, how large, and when it was written last; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_cut(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _entries(path: Path, most: int) -> list[Entry]:
    """The last of a file."""
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
