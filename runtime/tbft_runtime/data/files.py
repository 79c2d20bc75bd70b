"""Files whose checksum is taken while they are read."""

from __future__ import annotations

import io
import zlib
from typing import IO

_PIECE = 1 << 16


class ChecksummedFile(io.RawIOBase):
    """A file whose checksum is taken on the way, while somebody reads it from its beginning, also back and forth.

    It ends where it ended when it was opened: a file that grows is not followed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = file.seek(0, io.SEEK_END)
        file.seek(0)
        self._checksum = 0
        self._summed = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        begin = self._file.tell()
        left = max(0, self.size - begin)
        content = self._file.read(left if size < 0 else min(size, left))
        end = begin + len(content)
        if begin <= self._summed < end:
            self._checksum = zlib.crc32(content[self._summed - begin :], self._checksum)
            self._summed = end
        return content

    def checksum(self) -> int:
        """The CRC of all bytes; what nobody has read yet is read now, piece by piece."""
        self.seek(self._summed)
        while self.read(_PIECE):
            pass
        return self._checksum
