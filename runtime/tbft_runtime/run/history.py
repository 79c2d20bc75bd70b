"""The epochs of a run: those that change no more in a file, line by line, and the last ones in memory.

The file only grows, so that an epoch costs the same however many there were; a state says how much of it is its own.
"""

from __future__ import annotations

import itertools
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import msgspec

from tbft_artifacts.atomic import atomic_file, check_replaceable, clear_disk_errors
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.rights import shared_as
from tbft_artifacts.structs import Count, Large
from tbft_runtime.run.epoch import Epoch

_HEX = 8
# Of a line; the watts, degrees and clock of a day's epoch are less.
_LIMIT = 64 * MIB
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Mark(msgspec.Struct, frozen=True):
    """How much of the file belongs to a state: so many epochs in `size` bytes, and the CRC-32 of these."""

    epochs: Count = 0
    size: Large = 0
    checksum: Large = 0

    def after(self, line: bytes) -> Mark:
        """With one more line."""
        return Mark(self.epochs + 1, self.size + len(line), zlib.crc32(line, self.checksum))


class Epochs(Sequence[Epoch]):
    """The epochs of a run in order; going through them reads the file."""

    def __init__(self, recent: Iterable[Epoch] = (), path: Path | None = None, mark: Mark = Mark()) -> None:  # noqa: B008 (frozen)
        self.mark = mark
        self._recent = list(recent)
        self._path = path
        self._settled_before: float = math.inf

    @property
    def recent(self) -> list[Epoch]:
        """Those that are in no file yet."""
        return list(self._recent)

    def append(self, epoch: Epoch) -> None:
        """One more ended."""
        self._recent.append(epoch)

    def replace(self, epoch: Epoch) -> None:
        """More is known of a recent epoch: it takes the place of the one with its number."""
        (index,) = (index for index, each in enumerate(self._recent) if each.number == epoch.number)
        self._recent[index] = epoch

    def find(self, number: int) -> Epoch:
        """The recent epoch of that number."""
        return next(epoch for epoch in self._recent if epoch.number == number)

    def settle(self, before: float = math.inf) -> None:
        """Nothing more will become known of epochs before this number."""
        self._settled_before = before

    def write(self, path: Path) -> None:
        """Put all that are settled into the file at `path`, and flush it. Raises TbftError if the disk is full."""
        elsewhere = path != self._path
        settled = [epoch for epoch in self._recent if epoch.number < self._settled_before]
        lines = map(_line, itertools.chain(self._in_file() if elsewhere else (), settled))
        mark = _append(path, Mark() if elsewhere else self.mark, lines)
        self._path, self.mark = path, mark
        self._recent = [epoch for epoch in self._recent if epoch.number >= self._settled_before]

    def mend(self, last: int) -> int:
        """Leave out what was damaged since it was written, up to epoch `last`; how many epochs are lost with that."""
        if self._path is None or self._is_whole(self._path):
            return 0
        # A state that was taken back still has epochs that are in the file by now.
        last = min([last, *(epoch.number - 1 for epoch in self._recent)])
        before, mark = self.mark.epochs, Mark()
        with atomic_file(self._path, mode=shared_as(self._path.parent)) as temporary, temporary.open("wb") as file:
            number = 0
            # The state that follows one that was taken back may have written behind its mark.
            for line in _lines(self._path, self.mark.size + _LIMIT):
                epoch = _epoch(line)
                if epoch is not None and number < epoch.number <= last:
                    number = epoch.number
                    file.write(line)
                    mark = mark.after(line)
        self.mark = mark
        return before - mark.epochs

    def __len__(self) -> int:
        return self.mark.epochs + len(self._recent)

    def __iter__(self) -> Iterator[Epoch]:
        yield from self._in_file()
        yield from self._recent

    @overload
    def __getitem__(self, index: int) -> Epoch: ...

    @overload
    def __getitem__(self, index: slice) -> list[Epoch]: ...

    def __getitem__(self, index: int | slice) -> Epoch | list[Epoch]:
        # Not all at once: there may be very many.
        if isinstance(index, slice):
            return list(itertools.islice(self, *index.indices(len(self))))
        return next(itertools.islice(self, range(len(self))[index], None))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Epochs) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def _in_file(self) -> Iterator[Epoch]:
        if self._path is not None:
            found = map(_epoch, _lines(self._path, self.mark.size))
            yield from (epoch for epoch in found if epoch is not None)

    def _is_whole(self, path: Path) -> bool:
        mark = Mark()
        for line in _lines(path, self.mark.size):
            if _epoch(line) is None:
                return False
            mark = mark.after(line)
        return mark == self.mark


def _line(epoch: Epoch) -> bytes:
    text = msgspec.json.encode(epoch)
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _epoch(line: bytes) -> Epoch | None:
    """What a line says; None if it is not as it was written."""
    text = line[_HEX + 1 : -1]
    if line != b"%08x %s\n" % (zlib.crc32(text), text):
        return None
    try:
        return decode(text, Epoch, _LIMIT, failed="an epoch", hint="")
    except TbftError:
        return None


def _lines(path: Path, size: int) -> Iterator[bytes]:
    """The lines in the first `size` bytes of a file, parts of one that is too long; none if there is no such file."""
    if size == 0 or not path.is_file():
        return
    with path.open("rb") as file:
        left = size
        while left > 0 and (line := file.readline(min(left, _LIMIT))):
            left -= len(line)
            yield line


def _append(path: Path, mark: Mark, lines: Iterable[bytes]) -> Mark:
    """Write lines behind `mark`, in place of what else is there, and return where they end."""
    first = next(lines := iter(lines), None)
    if first is None:
        return mark
    check_replaceable(path)
    with clear_disk_errors(path), os.fdopen(os.open(path, _OPEN, shared_as(path.parent)), "r+b") as file:
        file.truncate(mark.size)
        file.seek(mark.size)
        for line in itertools.chain((first,), lines):
            file.write(line)
            mark = mark.after(line)
        file.flush()
        os.fsync(file.fileno())
    return mark
