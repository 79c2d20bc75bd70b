"""Read the members of a tar as they come, within bounds that nothing in it can move.

Not by Python's tarfile, which reads extended headers and the maps of sparse files into memory, however long they say
they are. What bundles are packed with is read: ustar, GNU's long names, and the names and sizes of pax.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tbft_artifacts.errors import TbftError
from tbft_artifacts.gzip_stream import GzipStream, damaged

_BLOCK = 512
_FILES, _FOLDER = b"\0" + b"07", b"5"
_GNU_NAME, _GNU_LINK = b"L", b"K"
_PAX, _PAX_FOR_ALL = b"xX", b"g"
_SPARSE = b"S"
# One header with a long name or pax records, and all of an archive: real ones have a kilobyte.
_HEADER_BYTES = 64 << 10
_ALL_HEADERS_BYTES = 8 << 20
# Bundles have some hundred files.
_MEMBERS = 10_000
# Zeros that programs put behind the end, to fill their records.
_FILLING = 1 << 20
# Longer than any number of bytes.
_DIGITS = 20
_DISTRUST = "do not trust it"


@dataclass(frozen=True)
class Member:
    """A file or folder of the archive: its name as it is written there, and how many bytes of content follow."""

    name: str
    size: int
    is_file: bool


@dataclass
class _Extension:
    """What headers say of the member behind them."""

    name: str | None = None
    size: int | None = None


class TarStream:
    """The members of an archive, in its order, each with its content or without."""

    def __init__(self, stream: GzipStream) -> None:
        self._stream = stream
        self._archive = stream.path
        self._unread = 0
        self._filling = 0
        self._headers = 0

    def members(self) -> Iterator[Member]:
        """Every member, to the end of the file. Raises TbftError for links, devices, sparse files and damage."""
        extension = _Extension()
        for _ in range(_MEMBERS):
            block = self._next_header()
            if block is None:
                self._check_end()
                return
            kind, size = block[156:157], self._number(block[124:136])
            if kind in _PAX or kind in _PAX_FOR_ALL:
                records = _Extension()
                self._read_pax(self._extended(size), records)
                # Those for all are comments, such as the commit of `git archive`.
                if kind in _PAX_FOR_ALL and records != _Extension():
                    raise self._refused("names or sizes for all its files")
                extension.name = records.name or extension.name
                extension.size = extension.size if records.size is None else records.size
            elif kind == _GNU_NAME:
                extension.name = _text(self._extended(size).split(b"\0", 1)[0])
            elif kind == _GNU_LINK:
                self._extended(size)
            else:
                yield self._member(block, kind, size if extension.size is None else extension.size, extension.name)
                extension = _Extension()
        raise self._refused(f"more than {_MEMBERS:,} files and folders")

    def content(self) -> Iterator[bytes]:
        """The content of the member that came last, in pieces."""
        size, self._unread = self._unread, 0
        yield from self._stream.pieces(size)

    def _next_header(self) -> bytes | None:
        """The block behind the last member; None for a block of zeros, or nothing: the end."""
        self._stream.skip(self._unread + self._filling)
        self._unread = self._filling = 0
        block = self._stream.some(_BLOCK)
        if len(block) < _BLOCK:
            if block:
                raise damaged(self._archive, "it ends too early")
            return None
        if not block.strip(b"\0"):
            return None
        counted = sum(block) - sum(block[148:156]) + 8 * ord(" ")
        if _octal(block[148:156]) != counted:
            raise damaged(self._archive, "it holds no tar, or a header of it changed")
        return block

    def _member(self, block: bytes, kind: bytes, size: int, name: str | None) -> Member:
        if name is None:
            name = _text(block[:100].split(b"\0", 1)[0])
            prefix = _text(block[345:500].split(b"\0", 1)[0])
            # Other formats have other things there.
            if prefix and block[257:263] == b"ustar\0":
                name = f"{prefix}/{name}"
        if kind == _SPARSE:
            raise self._refused(f"'{name}', a sparse file")
        # Before there were folders, they were files whose name ends so.
        is_file = kind in _FILES and not (kind == b"\0" and name.endswith("/"))
        if not is_file and kind not in (_FOLDER, b"\0"):
            raise self._refused(f"'{name}', which is no plain file")
        self._unread = size if is_file else 0
        self._filling = -self._unread % _BLOCK
        return Member(name, self._unread, is_file)

    def _extended(self, size: int) -> bytes:
        self._headers += size
        if size > _HEADER_BYTES or self._headers > _ALL_HEADERS_BYTES:
            raise self._refused(f"headers of more than {_HEADER_BYTES:,} bytes")
        content = self._stream.exactly(size)
        self._stream.skip(-size % _BLOCK)
        return content

    def _read_pax(self, content: bytes, extension: _Extension) -> None:
        """Records such as `20 path=plans/a/b.onnx`, each with its own length."""
        start = 0
        while start < len(content) and content[start]:
            digits = content[start : start + _DIGITS].split(b" ", 1)[0]
            length = int(digits) if digits.isdigit() else 0
            record = content[start + len(digits) + 1 : start + length]
            if len(record) + len(digits) + 1 != length or not record.endswith(b"\n") or b"=" not in record:
                raise damaged(self._archive, "a header of it is no list of names and values")
            key, value = record[:-1].split(b"=", 1)
            if key.startswith(b"GNU.sparse."):
                raise self._refused("a sparse file")
            if key == b"path":
                extension.name = _text(value)
            elif key == b"size":
                extension.size = self._decimal(value)
            start += length

    def _number(self, field: bytes) -> int:
        """Octal digits, or where those do not suffice, bytes behind one with the highest bit."""
        if field[0] == 0x80:
            return int.from_bytes(field[1:], "big")
        return self._valid(_octal(field))

    def _decimal(self, value: bytes) -> int:
        return self._valid(int(value) if value.isdigit() and len(value) <= _DIGITS else None)

    def _valid(self, number: int | None) -> int:
        if number is None:
            raise damaged(self._archive, "a header of it has a number that is none")
        return number

    def _check_end(self) -> None:
        """Behind the end are some zeros, and whatever comes is read: the checksum stands behind everything."""
        filling = 0
        while piece := self._stream.some(_HEADER_BYTES):
            filling += len(piece)
            if piece.strip(b"\0") or filling > _FILLING:
                raise damaged(self._archive, "something follows its end")

    def _refused(self, what: str) -> TbftError:
        return TbftError(f"'{self._archive}' holds {what}", _DISTRUST)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _octal(field: bytes) -> int | None:
    digits = field.split(b"\0", 1)[0].strip()
    return None if digits.strip(b"01234567") else int(digits or b"0", 8)
