"""Pictures that another program puts into a folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tbft_artifacts.regular import read_at_most
from tbft_runtime.data.bounds import MOST_FILE_BYTES
from tbft_runtime.data.pictures import PICTURE_SUFFIXES

# A file that did not change since the last look is whole; one that nobody finishes is given up after so many seconds.
_PATIENCE = 30.0
_FEW = 64

_Sign = tuple[int, int]


@dataclass(frozen=True)
class Shot:
    """A picture of the folder: its file, what that looked like (size, time of change), and its bytes."""

    path: Path
    sign: _Sign
    content: bytes


@dataclass
class Folder:
    """Tells each file once, when it stopped growing; a file that is written anew counts as another.

    What it knows is of files that are there: it grows with the folder, and not with time.
    """

    path: Path
    _seen: dict[str, _Sign] = field(default_factory=dict)
    # What a file looked like at the last look, and since when it could not be read.
    _before: dict[str, _Sign] = field(default_factory=dict)
    _damaged: dict[str, tuple[_Sign, float]] = field(default_factory=dict)

    def begin(self) -> int:
        """Take what is there already for seen; how many there are. Raises OSError if the folder is not there."""
        self._seen = self._listed()
        return len(self._seen)

    def clear(self) -> None:
        """Delete what is there already, unanswered. Raises OSError if the folder is not there."""
        for name in self._listed():
            with contextlib.suppress(OSError):
                (self.path / name).unlink()

    def news(self, steady: float) -> Iterator[Shot]:
        """At most a few, by their names; the rest comes with the next calls. Raises OSError if the folder is gone."""
        listed = self._listed()
        before, self._before = self._before, listed
        for known in (self._seen, self._damaged):
            for name in [name for name in known if name not in listed]:
                del known[name]
        whole = [name for name, sign in listed.items() if self._seen.get(name) != sign and before.get(name) == sign]
        # Those that could not be read the last time keep no other waiting.
        for name in sorted(whole, key=lambda name: (name in self._damaged, name))[:_FEW]:
            sign = self._seen[name] = listed[name]
            try:
                content = read_at_most(self.path / name, MOST_FILE_BYTES)
            except OSError:
                self._again(name, sign, steady)
                continue
            yield Shot(self.path / name, sign, content)

    def later(self, shot: Shot) -> None:
        """Nobody had time for it: it comes again."""
        self._seen.pop(shot.path.name, None)

    def again(self, shot: Shot, steady: float) -> bool:
        """Whether a picture that cannot be read may still be written: then it comes again."""
        return self._again(shot.path.name, shot.sign, steady)

    def remove(self, shot: Shot) -> None:
        """Delete a file, unless it is another one meanwhile; one that cannot be stays."""
        with contextlib.suppress(OSError):
            if _sign(shot.path.stat()) == shot.sign:
                shot.path.unlink()

    def _again(self, name: str, sign: _Sign, steady: float) -> bool:
        known, since = self._damaged.get(name, (sign, steady))
        # Whoever writes on has all the time.
        since = since if known == sign else steady
        self._damaged[name] = (sign, since)
        if steady - since > _PATIENCE:
            return False
        self._seen.pop(name, None)
        return True

    def _listed(self) -> dict[str, _Sign]:
        found: dict[str, _Sign] = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and Path(entry.name).suffix.lower() in PICTURE_SUFFIXES:
                    with contextlib.suppress(OSError):
                        if entry.is_file():
                            found[entry.name] = _sign(entry.stat())
        return found


def _sign(found: os.stat_result) -> _Sign:
    return found.st_size, found.st_mtime_ns
