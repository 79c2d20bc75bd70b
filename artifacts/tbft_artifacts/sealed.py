"""JSON objects with a checksum of their own: a disk that flips a bit in a number leaves good JSON behind."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from tbft_artifacts.decode import decode
from tbft_artifacts.errors import TbftError

_SEAL = "sha256"


def sealed(record: msgspec.Struct) -> bytes:
    """The record as JSON for people, and behind its fields the sha256 of what they say."""
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    return msgspec.json.format(msgspec.json.encode({**fields, _SEAL: _checksum(fields)}), indent=1)


def is_as_sealed(content: bytes) -> bool | None:
    """Whether JSON says what it said when it was sealed; None if it never was.

    What holds more than can be read, such as a number of more than 64 bits in a field that nobody knows, does not.
    """
    try:
        fields = decode(content, object, len(content), failed="it is damaged", hint="")
    except TbftError:
        return False
    if not isinstance(fields, dict) or _SEAL not in fields:
        return None
    seal = fields.pop(_SEAL)
    return bool(seal == _checksum(fields))


def _checksum(fields: dict[str, Any]) -> str:
    # Of the values, not of how they are laid out; fields that a later version adds do not matter to older files.
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()
