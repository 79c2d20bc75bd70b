"""A statement counts only with the signature of a trusted key over every byte of it."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope

from support.signing import OTHER, SIGNER
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.envelope import sign, verify
from tbft_artifacts.signing.statement import Digest, Statement, Subject

STATEMENT = Statement(
    subject=(Subject("manifest.json", Digest("a" * 64)),),
    predicate_type="https://example.org/v1",
    predicate=msgspec.Raw(b'{"counter": 3}'),
)


def test_a_signed_statement_is_read_back() -> None:
    """With the id of the key that signed it."""
    found, key = verify(sign(STATEMENT, SIGNER), [OTHER.public_key, SIGNER.public_key], "'x'")
    assert msgspec.json.encode(found) == msgspec.json.encode(STATEMENT)
    assert key == SIGNER.public_key.keyid


def test_a_strangers_signature_does_not_count() -> None:
    """Nor does it where no key is trusted at all, or it claims to be by another key."""
    content = sign(STATEMENT, OTHER)
    for keys in ([SIGNER.public_key], []):
        with pytest.raises(TbftError, match="none of the"):
            verify(content, keys, "'x'")
    with pytest.raises(TbftError, match="none of the"):
        verify(
            content.replace(OTHER.public_key.keyid.encode(), SIGNER.public_key.keyid.encode()),
            [SIGNER.public_key],
            "'x'",
        )


def test_another_type_of_payload_is_no_statement() -> None:
    """What the same key signed for another purpose cannot be passed off as a statement."""
    envelope = Envelope(msgspec.json.encode(STATEMENT), "text/plain", {})
    envelope.sign(SIGNER)
    with pytest.raises(TbftError, match="none of the 1 keys"):
        verify(json.dumps(envelope.to_dict()).encode(), [SIGNER.public_key], "'x'")


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_every_changed_bit_is_refused_or_says_the_same(place: int, bit: int) -> None:
    """Base64 has bits that mean nothing; whatever is accepted states what was signed."""
    content = bytearray(sign(STATEMENT, SIGNER))
    content[place % len(content)] ^= 1 << bit
    try:
        found, _key = verify(bytes(content), [SIGNER.public_key], "'x'")
    except TbftError:
        return
    assert msgspec.json.encode(found) == msgspec.json.encode(STATEMENT)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"\xff", b'{"payload": "", "payloadType": "x", "signatures": []}', b"[" * 100_000],
    ids=["nothing", "empty", "list", "bytes", "unsigned", "nested"],
)
def test_what_is_no_envelope_is_refused(content: bytes) -> None:
    """In one line, whatever it is."""
    with pytest.raises(TbftError, match="'x'"):
        verify(content, [SIGNER.public_key], "'x'")


def test_two_signatures_of_one_key_are_refused() -> None:
    """One of them would not be looked at."""
    envelope = json.loads(sign(STATEMENT, SIGNER))
    envelope["signatures"] *= 2
    with pytest.raises(TbftError, match="'x' is no signature that can be read"):
        verify(json.dumps(envelope).encode(), [SIGNER.public_key], "'x'")


@pytest.mark.parametrize("sig", ["", "AA==", "!!", base64.b64encode(b"x" * 64).decode()])
def test_what_is_no_signature_is_refused(sig: str) -> None:
    """Of whatever length it is."""
    envelope = json.loads(sign(STATEMENT, SIGNER))
    envelope["signatures"][0]["sig"] = sig
    with pytest.raises(TbftError, match="'x'"):
        verify(json.dumps(envelope).encode(), [SIGNER.public_key], "'x'")
