"""A file that is read more than once: what comes later is what was hashed first, whoever writes into it meanwhile."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import BinaryIO

from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import CHUNK


class Unchanged(io.RawIOBase):
    """An open regular file as it was when this was made, read to its end and hashed for that.

    Each piece is hashed again when it is read, so that no private copy is needed, for which a device may have no room.
    `read` raises TbftError, which calls the file `path`, where a piece changed.

    Attributes:
        sha256: Of the whole file.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__()
        self.path = path
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._place = 0
        self._cached: tuple[int, bytes] = (-1, b"")
        whole = hashlib.sha256()
        self._digests = []
        file.seek(0)
        for start in range(0, self._size, CHUNK):
            piece = file.read(min(CHUNK, self._size - start))
            whole.update(piece)
            self._digests.append(hashlib.sha256(piece).digest())
        self.sha256 = whole.hexdigest()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is, from the start."""
        return True

    def tell(self) -> int:
        """Bytes from the start."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go on at `offset` bytes from the start. Raises ValueError for other begins."""
        if whence != os.SEEK_SET:
            raise ValueError("a place is counted from the start")
        self._place = offset
        return offset

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's WriteableBuffer
        """Fill some of `buffer`; 0 at the end."""
        number, start = divmod(self._place, CHUNK)
        found = self._piece(number)[start : start + len(buffer)] if number < len(self._digests) else b""
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)

    def _piece(self, number: int) -> bytes:
        if self._cached[0] != number:
            self._file.seek(number * CHUNK)
            piece = self._file.read(min(CHUNK, self._size - number * CHUNK))
            if hashlib.sha256(piece).digest() != self._digests[number]:
                raise TbftError(
                    f"'{self.path}' changed while it was read", "try again when nobody writes into it any more"
                )
            self._cached = (number, piece)
        return self._cached[1]
