"""Signed bundles for tests, and files of keys."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner

from support.bundles import read_manifest
from tbft_artifacts.signing.bundles import sign_archive, sign_folder
from tbft_artifacts.signing.keys import public_pem

SIGNER, OTHER = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
# Always the same, so that a case can be repeated.
FIXED = CryptoSigner(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"fuzz").digest()))


def signed_folder(folder: Path, signer: CryptoSigner = SIGNER) -> Path:
    """A bundle's folder, its signature put into it."""
    sign_folder(folder, read_manifest(folder).bundle_id, signer)
    return folder


def signed_archive(archive: Path, folder: Path, signer: CryptoSigner = SIGNER) -> Path:
    """An archive of the bundle in a folder, its signature put beside it."""
    sign_archive(archive, read_manifest(folder).bundle_id, signer)
    return archive


def key_file(path: Path, *signers: CryptoSigner) -> Path:
    """A file of public keys, as a device trusts them."""
    path.write_text("".join(public_pem(signer.public_key) for signer in signers))
    return path
