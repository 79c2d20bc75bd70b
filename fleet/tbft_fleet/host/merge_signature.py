"""The signature of a merge: a statement on its files by the key that is online, which lies beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Raw, json

from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.signing.envelope import LIMIT, sign, verify
from tbft_artifacts.signing.statement import Digest, Statement, Subject
from tbft_fleet.files.round import ENVELOPE, PREDICATE_TYPE, Made

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

_HINT = "restore the merge from a copy, or merge again"


def signed_merge(files: Mapping[str, bytes], made: Made, signer: CryptoSigner) -> bytes:
    """The envelope on `files`, by name."""
    subject = tuple(Subject(name, Digest(sha256(content).hexdigest())) for name, content in files.items())
    return sign(Statement(subject=subject, predicate_type=PREDICATE_TYPE, predicate=Raw(json.encode(made))), signer)


def verify_merge(path: Path, content: bytes, bundles: Mapping[int, str], keys: Sequence[SSlibKey]) -> Made:
    """What was signed of the file `path` of a merge, which has this content.

    Raises TbftError if none of `keys` signed that, or for another bundle than `bundles` has by the release's number.
    """
    envelope = path.with_name(ENVELOPE)
    try:
        signed = read_at_most(envelope, LIMIT)
    except FileNotFoundError as error:
        raise TbftError(f"'{path}' has no signature '{ENVELOPE}' beside it", _HINT) from error
    except OSError as error:
        raise unreadable(envelope, error) from error
    statement, _ = verify(signed, keys, f"'{envelope}'")
    if statement.predicate_type != PREDICATE_TYPE:
        raise TbftError(f"'{envelope}' is the signature of no merge", _HINT)
    made = decode(bytes(statement.predicate), Made, MIB, failed=f"'{envelope}' cannot be read", hint=_HINT)
    named = {subject.name: subject.digest.sha256 for subject in statement.subject}
    if named.get(path.name) != sha256(content).hexdigest():
        raise TbftError(f"'{path}' is not what the fleet signed: its content changed", _HINT)
    # A release that nobody takes any more is no longer listed.
    if bundles.get(made.release, made.bundle_id) != made.bundle_id:
        raise TbftError(f"'{path}' is of bundle {made.bundle_id[:12]}, which release {made.release} is not", _HINT)
    return made
