"""Pictures that another program puts into a folder."""

from __future__ import annotations

import contextlib
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
    """A picture of the folder: its file and its bytes."""

    path: Path
    content: bytes


@dataclass
class Folder:
    """Tells each file once, when it stopped growing; a file that is written anew counts as another.

    What it knows is of files that are there: it grows with the folder, and not with time.
    """

    path: Path
    _seen: dict[str, _Sign] = field(default_factory=dict)
    _growing: dict[str, tuple[_Sign, float]] = field(default_factory=dict)

    def begin(self) -> int:
        """Take what is there already for seen; how many there are."""
        self._seen = dict(self._listed())
        return len(self._seen)

    def news(self, steady: float) -> Iterator[Shot]:
        """At most a few, by their names; the rest comes with the next calls. Raises OSError if the folder is gone."""
        listed = dict(self._listed())
        self._seen = {name: sign for name, sign in self._seen.items() if name in listed}
        self._growing = {name: known for name, known in self._growing.items() if name in listed}
        told = 0
        for name, sign in sorted(listed.items()):
            if told == _FEW:
                return
            if self._seen.get(name) == sign or not self._is_whole(name, sign, steady):
                continue
            self._seen[name] = sign
            told += 1
            with contextlib.suppress(OSError):
                yield Shot(self.path / name, read_at_most(self.path / name, MOST_FILE_BYTES))

    def again(self, shot: Shot, steady: float) -> bool:
        """Whether a picture that cannot be read may still be written: then it comes again."""
        name = shot.path.name
        sign = self._seen.get(name, (0, 0))
        _, since = self._growing.get(name, (sign, steady))
        if steady - since > _PATIENCE:
            return False
        self._seen.pop(name, None)
        self._growing[name] = ((-1, -1), since)
        return True

    def _is_whole(self, name: str, sign: _Sign, steady: float) -> bool:
        """Whether it looks as it did the last time."""
        before, since = self._growing.get(name, (None, steady))
        self._growing[name] = (sign, since)
        return before == sign

    def _listed(self) -> Iterator[tuple[str, _Sign]]:
        for entry in self.path.iterdir():
            if entry.suffix.lower() in PICTURE_SUFFIXES and not entry.name.startswith("."):
                with contextlib.suppress(OSError):
                    if entry.is_file():
                        found = entry.stat()
                        yield entry.name, (found.st_size, found.st_mtime_ns)
