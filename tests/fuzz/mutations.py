"""Ways to break bytes and JSON, none of which knows what they mean."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from support.hostile import EVIL

_MAGIC = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0")
DEEP = 200_000

NUMBERS: tuple[Any, ...] = (
    *(0, -1, 1, 2, 3, 7, 255, 4097, 65_536, 10**6),
    *(2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64, -(2**31), -(2**63), 10**400),
    *(0.0, -0.0, 0.5, -0.5, 1e-320, 1e38, 3.5e38, 1e308, -1e308, float("nan"), float("inf"), -float("inf")),
)
STRINGS: tuple[Any, ...] = (
    *("", " ", "x", "..", ".", "/", "/etc/hostname", "../../etc/hostname", "a/b", "a\\b", "C:\\x", "-rf", "--json"),
    *("\0", "\n", "a\tb", "\x1b[31mred", "\u202eevil", EVIL, "x" * 300, "y" * 100_000, "9" * 5000, "1.9.9.9.9.9"),
    *("null", "Null", "\ud800", "é", "😀", "sgd", "adam", "frozen", "batch", "direct", "winograd", "fp16", "ram"),
)
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], {"": None})


@dataclass(frozen=True)
class Changed:
    """What came out, and what was done in words."""

    value: Any
    what: str


def change_bytes(content: bytes, rng: Random) -> Changed:
    """One to four of: flip a bit, set a byte, cut, insert, repeat, zero or swap a part, lose the end."""
    changed, done = bytearray(content), []
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(max(1, len(changed)))
        size = rng.choice((1, 2, 8, 64, 512))
        match rng.randrange(8):
            case 0 if changed:
                changed[at] ^= 1 << rng.randrange(8)
                done.append(f"bit of byte {at} flipped")
            case 1 if changed:
                changed[at] = rng.randrange(256)
                done.append(f"byte {at} set")
            case 2:
                magic = rng.choice(_MAGIC)
                changed[at : at + len(magic)] = magic
                done.append(f"{magic.hex()} at {at}")
            case 3:
                del changed[at : at + size]
                done.append(f"{size} bytes lost at {at}")
            case 4:
                changed[at:at] = rng.randbytes(size)
                done.append(f"{size} bytes put in at {at}")
            case 5:
                changed[at:at] = changed[at : at + size]
                done.append(f"{size} bytes doubled at {at}")
            case 6:
                changed[at : at + size] = bytes(len(changed[at : at + size]))
                done.append(f"{size} bytes zeroed at {at}")
            case _:
                del changed[at:]
                done.append(f"cut at {at}")
    return Changed(bytes(changed), ", ".join(done))


def change_file(content: bytes, rng: Random) -> Changed:
    """What a failing disk makes of a file; or else as `change_bytes`."""
    half, size = len(content) // 2, len(content)
    match rng.randrange(12):
        case 0:
            return Changed(b"", "emptied")
        case 1:
            return Changed(content[:half], "halved")
        case 2:
            return Changed(bytes(size), "all zero")
        case 3:
            return Changed(content[: max(0, size - 4096)] + bytes(min(size, 4096)), "the last 4 KiB zero")
        case 4:
            return Changed(bytes(min(size, 512)) + content[512:], "the first 512 bytes zero")
        case 5:
            return Changed(b"\xff" * size, "all ones")
        case 6:
            return Changed(rng.randbytes(size), "all random")
        case _:
            return change_bytes(content, rng)


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value inside a JSON value is."""
    if at:
        yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*at, index))


def found(value: Any, path: tuple[Any, ...]) -> Any:
    """What is at `path`."""
    for key in path:
        value = value[key]
    return value


def change_json(value: Any, rng: Random, places: list[tuple[Any, ...]] | None = None) -> Changed:
    """One value of it, or two, made odd: of another kind, out of range, gone, doubled, empty or another's."""
    value, done = copy.deepcopy(value), []
    for _ in range(rng.choice((1, 1, 1, 2))):
        path = rng.choice([place for place in places or paths(value) if _is_there(value, place)])
        done.append(f"{'.'.join(map(str, path))}: {_change_at(value, path, rng)}")
    return Changed(value, "; ".join(done))


def _is_there(value: Any, path: tuple[Any, ...]) -> bool:
    try:
        found(value, path)
    except (LookupError, TypeError):
        return False
    return True


def _change_at(value: Any, path: tuple[Any, ...], rng: Random) -> str:
    parent, key = found(value, path[:-1]), path[-1]
    before = parent[key]
    kind = rng.randrange(10)
    if kind == 0:
        del parent[key]
        return "gone"
    if kind == 1 and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(before))
        return "doubled"
    if kind == 2 and len(parent) > 1:
        other = rng.choice(list(parent if isinstance(parent, dict) else range(len(parent))))
        parent[key], parent[other] = copy.deepcopy(parent[other]), before
        return f"swapped with {other}"
    if isinstance(before, (list, dict)) and kind < 6:
        return _change_whole(before, rng)
    parent[key] = odd_value(before, rng)
    return f"{_short(before)} -> {_short(parent[key])}"


def _change_whole(inside: Any, rng: Random) -> str:
    """Empty, lengthen or add to a list or an object in place."""
    if isinstance(inside, dict):
        inside[rng.choice(("unknown", "", "__class__", EVIL))] = rng.choice((*NUMBERS, *STRINGS))
        return "one more"
    if not inside or rng.random() < 0.5:
        inside.clear()
        return "emptied"
    inside.extend(copy.deepcopy(inside) * rng.choice((1, 1, 100)))
    return f"lengthened to {len(inside)}"


def odd_value(before: Any, rng: Random) -> Any:
    """Mostly of the same kind, so that it gets past the first check."""
    same = NUMBERS if isinstance(before, (int, float)) and not isinstance(before, bool) else OTHERS
    if isinstance(before, str):
        same = STRINGS
    return copy.deepcopy(rng.choice(same if rng.random() < 0.8 else (*NUMBERS, *STRINGS, *OTHERS)))


def _short(value: Any) -> str:
    text = ascii(value) if not isinstance(value, int) or abs(value) < 10**30 else "a number of many digits"
    return text if len(text) < 40 else f"{text[:30]}…"


def to_json(value: Any) -> bytes:
    """Also of what is no JSON, such as NaN and numbers of any length."""
    return json.dumps(value, indent=1).encode()


def nested(rng: Random) -> Changed:
    """JSON so deep that a reader that calls itself runs out of stack."""
    left, inner, right = rng.choice((("[", "", "]"), ('{"a":', "1", "}"), ('[{"a":', "", "}]")))
    depth = rng.choice((500, 2000, DEEP))
    whole = left * depth + inner + (right * depth if rng.random() < 0.7 else "")
    return Changed(whole.encode(), f"nested {depth} deep")
