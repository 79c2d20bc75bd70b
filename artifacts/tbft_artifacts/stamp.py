"""A checksum inside the very file that it is of.

The file holds a key and behind it 64 lower-case hexadecimal digits: the sha256 of all of its bytes, with these 64 taken
as the digit 0. So every bit of the file counts, wherever in it the digits stand.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# What is written before the file is stamped.
UNSTAMPED = "0" * 64
_DIGITS = len(UNSTAMPED)
_PIECE = 1 << 20


@dataclass(frozen=True)
class Stamp:
    """Where the digits stand: behind the first `key` of a file, or the last one."""

    key: bytes
    last: bool

    def put(self, path: Path) -> None:
        """Write the checksum over UNSTAMPED. Raises OSError."""
        with path.open("r+b") as file:
            place = self._place(file)
            assert place is not None
            digits = _digits(file, place)
            file.seek(place)
            file.write(digits)

    def fits(self, file: BinaryIO) -> bool | None:
        """Whether an open file, or one in memory, is as it was when it was stamped; None if it never was.

        Raises OSError.
        """
        place = self._place(file)
        if place is None:
            return None
        file.seek(place)
        found = file.read(_DIGITS)
        # An empty string was left for digits that nobody put there.
        return None if found.startswith(b'"') else found == _digits(file, place)

    def _place(self, file: BinaryIO) -> int | None:
        """Looked for piece by piece: a file may be larger than the memory."""
        starts = range(0, file.seek(0, 2), _PIECE)
        for start in reversed(starts) if self.last else starts:
            file.seek(start)
            # What begins in this piece may end in the next one.
            piece = file.read(_PIECE + len(self.key) - 1)
            found = piece.rfind(self.key) if self.last else piece.find(self.key)
            if found >= 0:
                return start + found + len(self.key)
        return None


def _digits(file: BinaryIO, place: int) -> bytes:
    """The digits that belong at `place`."""
    digest = hashlib.sha256()
    file.seek(0)
    left = place
    while left and (piece := file.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    digest.update(UNSTAMPED.encode())
    file.seek(place + _DIGITS)
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest().encode()
