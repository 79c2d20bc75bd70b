"""Signed statements as files: DSSE envelopes, whose content is looked at only once a trusted key's signature fits.

DSSE v1: https://github.com/secure-systems-lab/dsse
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.library import signing_library
from tbft_artifacts.signing.statement import Statement
from tbft_artifacts.structs import Word

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner, SSlibKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
# A statement of a thousand files has 200 kB.
LIMIT = MIB
_FAILED, _HINT = "{} is no signature that can be read", "copy it again"


class _Signature(msgspec.Struct):
    keyid: Word
    sig: Annotated[str, Meta(max_length=200)]


class _Envelope(msgspec.Struct):
    """What securesystemslib is given: of the right form, and not endless."""

    payload: str
    payloadType: Word  # noqa: N815 (the standard's name)
    signatures: Annotated[tuple[_Signature, ...], Meta(min_length=1, max_length=16)]


def sign(statement: Statement, *signers: CryptoSigner) -> bytes:
    """The statement in an envelope, as JSON, with the signature of each key."""
    with signing_library():
        from securesystemslib.dsse import Envelope
    envelope = Envelope(msgspec.json.encode(statement), PAYLOAD_TYPE, {})
    for signer in signers:
        envelope.sign(signer)
    return msgspec.json.encode(envelope.to_dict())


def verify(content: bytes, keys: Sequence[SSlibKey], shown: str) -> tuple[Statement, str]:
    """What an envelope states, and the id of that key among `keys` which signed it; errors call it `shown`.

    Raises TbftError if it is no envelope, none of the keys signed it, or it states nothing that can be read.
    """
    with signing_library():
        from securesystemslib.exceptions import VerificationError
    envelope = _envelope(content, shown)
    try:
        signed_by = envelope.verify(list(keys), 1) if keys else {}
    except VerificationError:
        signed_by = {}
    # The type is signed, too: what was signed as something else is no statement.
    if not signed_by or envelope.payload_type != PAYLOAD_TYPE:
        raise TbftError(
            f"{shown} is by none of the {len(keys)} keys that are trusted, or what it is of changed",
            "do not trust it; if its key is a new one, add that to the trusted ones",
        )
    return _statement(envelope, shown), next(iter(signed_by))


def verify_by(content: bytes, keys_of: Callable[[Statement], Sequence[SSlibKey]], shown: str) -> Statement:
    """The same where what an envelope claims says whose keys count: `keys_of` gives these, and may raise TbftError.

    Nothing else may come of the claim, which anybody can make.
    """
    keys = keys_of(_statement(_envelope(content, shown), shown))
    return verify(content, keys, shown)[0]


def taken(content: bytes, shown: str) -> Statement:
    """What an envelope states that was verified when it was taken, and lies where nobody else writes.

    Raises TbftError if it states nothing that can be read.
    """
    return _statement(_envelope(content, shown), shown)


def _envelope(content: bytes, shown: str) -> Envelope:
    with signing_library():
        from securesystemslib.dsse import Envelope
    failed = _FAILED.format(shown)
    found = decode(content, _Envelope, LIMIT, failed=failed, hint=_HINT)
    try:
        return Envelope.from_dict(msgspec.to_builtins(found))
    except (ValueError, KeyError, TypeError) as error:
        raise TbftError(f"{failed}: {error}", _HINT) from error


def _statement(envelope: Envelope, shown: str) -> Statement:
    return decode(envelope.payload, Statement, LIMIT, failed=_FAILED.format(shown), hint=_HINT)
