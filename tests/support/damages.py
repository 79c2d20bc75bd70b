"""What bad cards and sudden ends make of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Damage = Callable[[bytes], bytes]


def flipped(content: bytes, bit: int) -> bytes:
    """One bit the other way, counted from the beginning; one behind the end counts from there again."""
    found = bytearray(content)
    place = bit % (8 * len(found))
    found[place // 8] ^= 1 << place % 8
    return bytes(found)


DAMAGES: dict[str, Damage] = {
    "emptied": lambda _: b"",
    "halved": lambda content: content[: len(content) // 2],
    "zeroed": lambda content: bytes(len(content)),
    "head zeroed": lambda content: bytes(min(512, len(content))) + content[512:],
    "tail zeroed": lambda content: content[:-4096] + bytes(min(4096, len(content))),
    "all ones": lambda content: b"\xff" * len(content),
    "bit in the middle": lambda content: flipped(content, 4 * len(content)),
    "bit near the end": lambda content: flipped(content, 8 * len(content) - 20),
    "longer": lambda content: content + b"\0",
}


def damage(path: Path, how: Damage) -> None:
    """Do it to a file in place."""
    path.write_bytes(how(path.read_bytes()))
