"""Files that strangers made, opened so that nothing but a file's bytes is ever waited for."""

from __future__ import annotations

import errno
import io
import os
import stat
import zlib
from pathlib import Path
from typing import IO

_PIECE = 1 << 16


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file, or a link to one.

    Raises OSError for a pipe, socket, device or folder: reading one may wait, or go on, for ever.
    """
    _check(path, path.stat())
    # What lies there now may be another thing than a moment ago: do not wait for its other end.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _check(path, os.fstat(file))
        return os.fdopen(file, "rb")
    except OSError:
        os.close(file)
        raise


def _check(path: Path, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "no regular file", str(path))


class ChecksummedFile(io.RawIOBase):
    """A file whose checksum is taken on the way, while somebody reads it from its beginning, also back and forth.

    It ends where it ended when it was opened: a file that grows is not followed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
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
