"""Read JSON and TOML that somebody else may have written: each becomes a value of the type, or one error."""

from __future__ import annotations

from collections.abc import Callable
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
    return _decoded(content, lambda: msgspec.json.decode(content, type=kind), limit, failed, hint)


def decode_toml(content: bytes, kind: type[_T], limit: int, *, failed: str, hint: str) -> _T:
    """As `decode` of TOML, such as a file of settings."""
    return _decoded(content, lambda: msgspec.toml.decode(content, type=kind), limit, failed, hint)


def said(error: Exception) -> str:
    """What a decoder says is wrong.

    It names fields in backticks, in which this project names options: a command would read a flag of its own there.
    """
    return str(error).replace("`", "'")


def _decoded(content: bytes | str, read: Callable[[], _T], limit: int, failed: str, hint: str) -> _T:
    if len(content) > limit:
        raise TbftError(f"{failed}: it has more than {size(limit)}", hint)
    try:
        value = read()
        # There are numbers that no figure can be made from; this has room for those of 64 bits only.
        msgspec.msgpack.encode(value)
    except RecursionError as error:
        raise TbftError(f"{failed}: it is nested too deeply", hint) from error
    except OverflowError as error:
        raise TbftError(f"{failed}: it has a number of more than 64 bits", hint) from error
    # Python's reader of TOML lets out whatever the conversion of a number or a date raises.
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise TbftError(f"{failed}: {said(error)}", hint) from error
    return value


def size(limit: int) -> str:
    """Bytes in words, as limits are given."""
    return f"{limit // MIB} MiB" if limit >= MIB else f"{limit // 1024} KiB"
