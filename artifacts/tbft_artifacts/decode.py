"""Read JSON that somebody else may have written: whatever it is, it becomes a value of the type, or one error."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from tbft_artifacts.errors import TbftError

MIB = 1 << 20

_T = TypeVar("_T")


def decode(content: bytes | str, kind: type[_T], limit: int, *, failed: str, hint: str) -> _T:
    """JSON as a value of a type, all numbers of which have at most 64 bits.

    Args:
        content: The JSON, of `limit` bytes at most.
        kind: What it should hold.
        limit: So many bytes it may have; for text, characters.
        failed: How the error begins that says what of it is wrong, such as "'run.json' cannot be read".
        hint: That of the error.

    Raises:
        TbftError: It is longer, no JSON, nested too deeply, or does not hold what it should.
    """
    if len(content) > limit:
        raise TbftError(f"{failed}: it has more than {size(limit)}", hint)
    try:
        value = msgspec.json.decode(content, type=kind)
        # JSON has numbers that no figure can be made from; this has room for those of 64 bits only.
        msgspec.msgpack.encode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise TbftError(f"{failed}: {error}", hint) from error
    except RecursionError as error:
        raise TbftError(f"{failed}: it is nested too deeply", hint) from error
    except OverflowError as error:
        raise TbftError(f"{failed}: it has a number of more than 64 bits", hint) from error
    return value


def size(limit: int) -> str:
    """Bytes in words, as limits are given."""
    return f"{limit // MIB} MiB" if limit >= MIB else f"{limit // 1024} KiB"
