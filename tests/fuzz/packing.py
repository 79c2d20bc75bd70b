"""Gzip and zip files of gigabytes of zeros, written in no time: the same packed megabyte again and again."""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MEGABYTE = bytes(1 << 20)


@dataclass(frozen=True)
class Zeros:
    """So many megabytes of them."""

    megabytes: int


Part = bytes | Zeros


@dataclass(frozen=True)
class Deflated:
    """A raw deflate stream, and what it unpacks to."""

    content: bytes
    checksum: int
    size: int


def deflated(parts: Sequence[Part]) -> Deflated:
    """All parts behind each other."""
    content, checksum, size = bytearray(), 0, 0
    for part in parts:
        if isinstance(part, Zeros):
            content += _packed(_MEGABYTE) * part.megabytes
            for _ in range(part.megabytes):
                checksum = zlib.crc32(_MEGABYTE, checksum)
            size += part.megabytes << 20
        else:
            content += _packed(part)
            checksum = zlib.crc32(part, checksum)
            size += len(part)
    return Deflated(bytes(content + zlib.compressobj(1, zlib.DEFLATED, -15).flush()), checksum, size)


@functools.lru_cache(4)
def _packed(part: bytes) -> bytes:
    """As blocks that refer to nothing before them, and are not the last."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH)


def gzip_of(parts: Sequence[Part]) -> bytes:
    """A gzip file."""
    whole = deflated(parts)
    end = struct.pack("<II", whole.checksum, whole.size & 0xFFFFFFFF)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + whole.content + end


def zip_of(members: Mapping[str, Sequence[Part]]) -> bytes:
    """A zip file of packed members."""
    content, directory = bytearray(), bytearray()
    for name, parts in members.items():
        whole, raw = deflated(parts), name.encode()
        about = struct.pack("<HHHHHIII", 20, 0, 8, 0, 33, whole.checksum, len(whole.content), whole.size)
        about += struct.pack("<HH", len(raw), 0)
        directory += b"PK\x01\x02" + struct.pack("<H", 20) + about + struct.pack("<HHHII", 0, 0, 0, 0, len(content))
        directory += raw
        content += b"PK\x03\x04" + about + raw + whole.content
    sizes = struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(directory), len(content), 0)
    return bytes(content + directory + b"PK\x05\x06" + sizes)
