"""The signature of a bundle: of a folder's manifest, which lists every other file, or of a whole archive.

It states the id of the bundle, and is one over bytes: what it fits is known to be the signer's before anything of it is
read as JSON, tar or ONNX.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import MANIFEST
from tbft_artifacts.regular import help_with, read_at_most
from tbft_artifacts.signing.envelope import LIMIT, sign, verify
from tbft_artifacts.signing.statement import Digest, Statement, Subject
from tbft_artifacts.signing.trust import UntrustedError
from tbft_artifacts.structs import Sha256, Struct

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

# Beside the manifest, which does not list it: a bundle has the same id signed and unsigned.
SIGNATURE = "signature.dsse.json"
SIGNATURE_LIMIT = LIMIT
PREDICATE_TYPE = "tbft-edge:bundle:v1"
_SIGN = "ask whoever exported it for one that 'tbft-edge export' made with `sign`, or for the key"


class _Predicate(Struct, frozen=True):
    bundle_id: Sha256


@dataclass(frozen=True)
class Signed:
    """That a trusted key, whose id is `key`, signed some file as one of the bundle with this id."""

    key: str
    bundle_id: str

    def check(self, bundle_id: str, bundle: Path) -> None:
        """Raise UntrustedError for a bundle of another id."""
        if bundle_id != self.bundle_id:
            raise UntrustedError(
                f"the id of bundle '{bundle}' is {bundle_id}, and it was signed as that of {self.bundle_id}", _SIGN
            )


def signature_beside(archive: Path) -> Path:
    """Where the signature of an archive lies; of a link, that of what it leads to."""
    return Path(f"{os.path.realpath(archive)}.dsse.json")


def sign_folder(folder: Path, bundle_id: str, signer: CryptoSigner) -> None:
    """Put the signature of a bundle's manifest beside it."""
    (folder / SIGNATURE).write_bytes(_signature(folder / MANIFEST, MANIFEST, bundle_id, signer))


def sign_archive(archive: Path, bundle_id: str, signer: CryptoSigner, written: Path | None = None) -> None:
    """Put the signature of an archive beside it; `written` is where it lies until it takes its place."""
    content = _signature(written or archive, archive.name, bundle_id, signer)
    with atomic_file(signature_beside(archive)) as temporary:
        temporary.write_bytes(content)


def _signature(file: Path, name: str, bundle_id: str, signer: CryptoSigner) -> bytes:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return sign(
        Statement(
            subject=(Subject(name, Digest(digest)),),
            predicate_type=PREDICATE_TYPE,
            predicate=msgspec.Raw(msgspec.json.encode(_Predicate(bundle_id))),
        ),
        signer,
    )


def check_signature(path: Path, sha256: str, keys: Sequence[SSlibKey], bundle: Path) -> Signed:
    """Who signed the file with that digest, by the signature at `path`, which is that of `bundle`.

    Raises UntrustedError if it is not there, none of `keys` made it, or it is that of another file.
    """
    try:
        return _checked(path, sha256, keys, bundle)
    except TbftError as error:
        raise UntrustedError(error.message, error.hint) from error


def _checked(path: Path, sha256: str, keys: Sequence[SSlibKey], bundle: Path) -> Signed:
    shown = f"the signature '{path.name}' of bundle '{bundle}'"
    try:
        content = read_at_most(path, SIGNATURE_LIMIT)
    except FileNotFoundError as error:
        raise TbftError(
            f"bundle '{bundle}' is not signed: '{path.name}' is not there",
            f"copy that file, too, if there is one; else {_SIGN}",
        ) from error
    except OSError as error:
        raise TbftError(f"{shown} cannot be read ({error.strerror})", help_with(error)) from error
    statement, key = verify(content, keys, shown)
    if statement.predicate_type != PREDICATE_TYPE or [each.digest.sha256 for each in statement.subject] != [sha256]:
        raise TbftError(
            f"{shown} is that of something else, or the bundle changed since it was signed",
            "do not trust it; copy both again from where they were made",
        )
    predicate = decode(
        bytes(statement.predicate), _Predicate, SIGNATURE_LIMIT, failed=f"{shown} does not say of which", hint=_SIGN
    )
    return Signed(key, predicate.bundle_id)
