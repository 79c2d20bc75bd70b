"""What a device signs, as a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from tbft_artifacts.signing.envelope import sign
from tbft_artifacts.signing.statement import Digest, Statement, Subject
from tbft_fleet.files import enrolment, result

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner


def signed_enrolment(stated: enrolment.Enrolment, *signers: CryptoSigner) -> bytes:
    """By the key that it names, and where that is a new one of a device by the old one, too."""
    return sign(_statement(stated, enrolment.PREDICATE_TYPE, {}), *signers)


def signed_result(stated: result.Result, sha256: Mapping[str, str], signer: CryptoSigner) -> bytes:
    """With the files that belong to it, by their names."""
    return sign(_statement(stated, result.PREDICATE_TYPE, sha256), signer)


def _statement(stated: msgspec.Struct, kind: str, sha256: Mapping[str, str]) -> Statement:
    return Statement(
        subject=tuple(Subject(name, Digest(digest)) for name, digest in sha256.items()),
        predicate_type=kind,
        predicate=Raw(msgspec.json.encode(stated)),
    )
