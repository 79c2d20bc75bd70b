"""Archives by someone who knows tar: ways out, bombs, headers that lie."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.packing import Part, Zeros, gzip_of
from fuzz.surfaces.archives import NAME, tar_of
from support.hostile import EVIL

# More than any bundle has, and more than may be in memory.
LARGE, HUGE = Zeros(300), Zeros(1200)
_BLOCK = 512


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """A whole bundle with something more in it, in front of it or behind."""
    root = desk.bundle("output-frozen")
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    kind = rng.choice(sorted(ATTACKS))
    made = ATTACKS[kind](rng)
    attack = [made] if isinstance(made, bytes) else made
    whole = tar_of(files)[: -2 * _BLOCK].rstrip(b"\0")
    whole += bytes(-len(whole) % _BLOCK)
    in_front = rng.random() < 0.5
    end = bytes(2 * _BLOCK)
    parts = (*attack, whole, end) if in_front else (whole, *attack, end)
    (folder / NAME).write_bytes(gzip_of(parts))
    return commands.any_of_bundle(f"{kind} {'in front' if in_front else 'behind'}", desk, NAME, rng)


def _member(name: str, content: bytes = b"", **about: object) -> bytes:
    """One member as bytes."""
    member = tarfile.TarInfo(name)
    for key, value in about.items():
        setattr(member, key, value)
    if not about.get("size"):
        member.size = len(content)
    return member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % _BLOCK)


def _link(kind: bytes) -> Callable[[Random], bytes]:
    def attack(rng: Random) -> bytes:
        target = rng.choice(("../../outside", "/etc/hostname", "manifest.json", "..", "x"))
        name = rng.choice(("x", "predict.onnx", "plans", "manifest.json"))
        return _member(name, type=kind, linkname=target) + _member(f"{name}/below", b"written through a link")

    return attack


def _special(kind: bytes) -> Callable[[Random], bytes]:
    return lambda rng: _member(rng.choice(("x", "predict.onnx")), type=kind, devmajor=1, devminor=5)


def _traversal(rng: Random) -> bytes:
    names = (
        "../outside",
        "../../outside",
        "/tmp/tbft-edge-fuzz-outside",
        "plans/../../../outside",
        "a/../../../outside",
    )
    return _member(rng.choice(names), b"outside")


def _odd_name(rng: Random) -> bytes:
    names = (
        "",
        ".",
        "..",
        "./",
        "a//b",
        "manifest.json/",
        EVIL[:60],
        "x" * 99,
        "con\\x",
        "a\\..\\b",
        "plans",
        "./manifest.json",
    )
    return _member(rng.choice(names), b"odd")


def _twice(rng: Random) -> bytes:
    name = rng.choice(("manifest.json", "predict.onnx", "weights.safetensors", "./manifest.json"))
    return _member(name, rng.choice((b"", b"{}", b"x" * 1000, b'{"format": 1}')))


def _sparse(rng: Random) -> bytes:
    """GNU sparse: a file of which a header alone says how long it is."""
    size = rng.choice((10**9, 10**12, 2**62))
    header = bytearray(_member("predict.onnx", type=tarfile.GNUTYPE_SPARSE))
    header[386:398], header[398:410] = b"%011o\0" % 0, b"%011o\0" % 0
    header[483:495] = _number(size)
    return _with_checksum(header)


def _number(value: int) -> bytes:
    """Twelve bytes; what octal digits cannot hold, in base 256."""
    return b"%011o\0" % value if value < 8**11 else b"\x80" + value.to_bytes(11, "big")


def _with_checksum(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:_BLOCK])
    return bytes(header)


def _pax_sparse(rng: Random) -> bytes:
    size = rng.choice((10**9, 10**12))
    return _pax(
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x", "GNU.sparse.realsize": str(size)}
    ) + (_member("x", b"1\n0\n0\n"))


def _pax(fields: Mapping[str, str]) -> bytes:
    records = b""
    for key, value in fields.items():
        record = f" {key}={value}\n".encode()
        size = len(record) + len(str(len(record)))
        size = len(record) + len(str(size))
        records += str(size).encode() + record
    return _member("pax", records, type=tarfile.XHDTYPE)


def _pax_values(rng: Random) -> bytes:
    key = rng.choice(("path", "size", "linkpath", "mtime", "uid", "GNU.sparse.map", "GNU.sparse.size", "hdrcharset"))
    value = rng.choice(
        ("../../outside", "-1", "99999999999999999999", "nan", "1" * 5000, "1,2,3", "x\x1b[31m", "", "9e999")
    )
    return _pax({key: value}) + _member("x", b"x")


def _huge_header(kind: bytes) -> Callable[[Random], list[Part]]:
    """A header that is read into memory as a whole."""
    return lambda _: [_member("huge", type=kind, size=HUGE.megabytes << 20), HUGE, _member("x", b"x")]


def _stated(rng: Random) -> bytes:
    """A member that says it is longer than the archive."""
    size = rng.choice((2**31, 10**12, 2**62, 8**11 - 1))
    header = bytearray(_member("x"))
    header[124:136] = rng.choice((_number(size), b"-0000000001\0", b"x" * 12, b"\xff" * 12))
    return _with_checksum(header)


def _bomb(rng: Random) -> list[Part]:
    return [_member(rng.choice(("zeros", "predict.onnx")), size=LARGE.megabytes << 20), LARGE]


def _crowd(rng: Random) -> bytes:
    return b"".join(_member(f"many/{number}") for number in range(20_000))


def _empty_headers(rng: Random) -> bytes:
    return _member("x", b"", type=rng.choice((tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.DIRTYPE))) * 50_000


def _deep(rng: Random) -> bytes:
    return _member("/".join("d" * 2 for _ in range(30)) + "/x", b"deep") * rng.choice((1, 30))


def _trailing(rng: Random) -> bytes:
    return bytes(2 * _BLOCK) + rng.randbytes(2000)


ATTACKS: Mapping[str, Callable[[Random], bytes | list[Part]]] = {
    "symbolic-link": _link(tarfile.SYMTYPE),
    "hard-link": _link(tarfile.LNKTYPE),
    "device": _special(tarfile.BLKTYPE),
    "character-device": _special(tarfile.CHRTYPE),
    "pipe": _special(tarfile.FIFOTYPE),
    "traversal": _traversal,
    "odd-name": _odd_name,
    "twice": _twice,
    "sparse": _sparse,
    "pax-sparse": _pax_sparse,
    "pax-values": _pax_values,
    "huge-pax-header": _huge_header(tarfile.XHDTYPE),
    "huge-global-header": _huge_header(tarfile.XGLTYPE),
    "huge-long-name": _huge_header(tarfile.GNUTYPE_LONGNAME),
    "huge-long-link": _huge_header(tarfile.GNUTYPE_LONGLINK),
    "stated-size": _stated,
    "bomb": _bomb,
    "crowd": _crowd,
    "empty-headers": _empty_headers,
    "deep": _deep,
    "trailing": _trailing,
    "unknown-type": lambda rng: _member(
        "x", b"x", type=rng.choice((b"9", b"Z", b"\xff", b"\0", b"7", b"D", b"M", b"V"))
    ),
}
