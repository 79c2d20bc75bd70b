"""Signed bundles for tests, and files of keys."""

from __future__ import annotations

import hashlib
from pathlib import Path

from securesystemslib.signer import CryptoSigner

from tbft_artifacts.bundle import file_entry
from tbft_artifacts.manifest import MANIFEST
from tbft_artifacts.signing.bundles import SIGNATURE, signature, signature_beside
from tbft_artifacts.signing.keys import public_pem

SIGNER, OTHER = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()


def sign_folder(folder: Path, bundle_id: str, signer: CryptoSigner = SIGNER) -> Path:
    """Put the signature into a bundle's folder."""
    digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    (folder / SIGNATURE).write_bytes(signature(MANIFEST, digest, bundle_id, signer))
    return folder


def sign_archive(archive: Path, bundle_id: str, signer: CryptoSigner = SIGNER) -> Path:
    """Put the signature beside an archive."""
    content = signature(archive.name, file_entry(archive).sha256, bundle_id, signer)
    signature_beside(archive).write_bytes(content)
    return archive


def key_file(path: Path, *signers: CryptoSigner) -> Path:
    """A file of public keys, as a device trusts them."""
    path.write_text("".join(public_pem(signer.public_key) for signer in signers))
    return path
