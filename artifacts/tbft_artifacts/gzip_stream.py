"""The unpacked bytes of an archive, in pieces that are as small as was asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import CHUNK, unreadable

# Of a gzip file: header and checksum are read, too.
_GZIP = 16 + zlib.MAX_WBITS
_PACKED = 32 << 10
# Zeros that tapes and some programs put behind a file.
_FILLING = 1 << 20


class GzipStream:
    """A `.gz` file of one part, unpacked piece by piece; it has an end only where its checksum is right.

    Attributes:
        path: What errors call it.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        self._file = file
        self._inflater = zlib.decompressobj(_GZIP)
        self._began = False

    def some(self, size: int) -> bytes:
        """The next `size` bytes (at most `CHUNK`), fewer at the end, none behind it.

        Raises TbftError where what was packed is damaged or something follows it, and where the file cannot be read.
        """
        wanted, parts = min(size, CHUNK), []
        while wanted > 0 and not self._inflater.eof:
            parts.append(self._unpack(wanted))
            wanted -= len(parts[-1])
        return b"".join(parts)

    def pieces(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes, all of them."""
        while size > 0:
            piece = self.some(size)
            if not piece:
                raise damaged(self.path, "it ends too early")
            size -= len(piece)
            yield piece

    def exactly(self, size: int) -> bytes:
        """The same as one, for what is small."""
        return b"".join(self.pieces(size))

    def skip(self, size: int) -> None:
        """Pass over the next `size` bytes."""
        for _ in self.pieces(size):
            pass

    def _unpack(self, most: int) -> bytes:
        packed = self._inflater.unconsumed_tail or self._read()
        try:
            found = self._inflater.decompress(packed, most)
        except zlib.error as error:
            if self._began:
                raise damaged(self.path, str(error)) from error
            raise damaged(
                self.path, "it is not packed by gzip", "copy it again, or pack the bundle's folder with 'tar czf'"
            ) from error
        self._began = self._began or bool(found)
        if not packed and not found and not self._inflater.eof:
            raise damaged(self.path, "it ends too early" if self._began else "it is empty")
        if self._inflater.eof:
            self._check_end()
        return found

    def _check_end(self) -> None:
        rest, filling = self._inflater.unused_data, 0
        while rest:
            filling += len(rest)
            if rest.strip(b"\0") or filling > _FILLING:
                raise damaged(self.path, "something follows its end")
            rest = self._read()

    def _read(self) -> bytes:
        try:
            return self._file.read(_PACKED)
        except OSError as error:
            raise unreadable(self.path, error) from error


def damaged(archive: Path, why: str, hint: str = "copy it again") -> TbftError:
    """The archive is not what was packed."""
    return TbftError(f"'{archive}' is damaged: {why}", hint)
