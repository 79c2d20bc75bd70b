"""Archives made by hand, block by block: what no program packs, and what a stranger may."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from tbft_artifacts.manifest import MANIFEST

BLOCK = 512
END = bytes(2 * BLOCK)
MILLION = bytes(1 << 20)


def header(name: str, size: int = 0, kind: bytes = b"0", link: str = "") -> bytes:
    """The block of a member, which `size` bytes of content are said to follow."""
    fields = [
        name.encode("utf-8", "surrogateescape").ljust(100, b"\0"),
        *(b"0000644\0", b"0000000\0", b"0000000\0"),
        b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big"),
        *(b"00000000000\0", b" " * 8, kind, link.encode().ljust(100, b"\0"), b"ustar\x0000"),
    ]
    block = b"".join(fields).ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def filled(content: bytes) -> bytes:
    """Content as it lies in a tar."""
    return content + bytes(-len(content) % BLOCK)


def file(name: str, content: bytes) -> bytes:
    return header(name, len(content)) + filled(content)


def pax(records: dict[str, str], kind: bytes = b"x") -> bytes:
    """An extended header."""
    content = b"".join(map(_record, records.items()))
    return header("PaxHeaders/1", len(content), kind) + filled(content)


def _record(item: tuple[str, str]) -> bytes:
    rest = b" %s=%s\n" % (item[0].encode(), item[1].encode())
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length += 1
    return b"%d" % length + rest


def members(folder: Path, root: str = "") -> list[bytes]:
    """The files of a folder, the manifest first, as `export` packs them."""
    files = sorted(folder.rglob("*"), key=lambda path: (path != folder / MANIFEST, path))
    return [file(f"{root}{path.relative_to(folder).as_posix()}", path.read_bytes()) for path in files if path.is_file()]


def pack(archive: Path, *parts: bytes) -> Path:
    """Write `parts` behind each other, packed."""
    archive.write_bytes(gzip.compress(b"".join(parts), 1, mtime=0))
    return archive


def pack_repeated(archive: Path, before: bytes, piece: bytes, times: int) -> Path:
    """`before`, then `piece` so often, which is packed but once: thousands of millions of bytes are made at once.

    The archive has no end; who refuses it in time never comes there.
    """
    packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    start = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
    repeated = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    archive.write_bytes(start + repeated * times)
    return archive
