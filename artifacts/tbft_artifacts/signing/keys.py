"""Ed25519 keys (RFC 8032) in PEM files, as OpenSSL and everybody else writes and reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tbft_artifacts.atomic import clear_disk_errors
from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.rights import PRIVATE_FILE
from tbft_artifacts.signing.library import signing_library
from tbft_artifacts.temporary import beside, new_file, remove_older

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

# A hundred public keys have 12 kB.
_LIMIT = 64 << 10
_BEGIN, _END = b"-----BEGIN PUBLIC KEY-----", b"-----END PUBLIC KEY-----"
_MAKE = "make a pair of keys with 'tbft-edge fleet keys'"


def new_key(path: Path) -> CryptoSigner:
    """Make a key, whose private half is put into the new file `path`, which nobody else may read.

    Whoever is killed meanwhile leaves no file there, or a whole one. Raises TbftError if something is there already: a
    lost key cannot be had again.
    """
    with signing_library():
        from securesystemslib.signer import CryptoSigner
    signer = CryptoSigner.generate_ed25519()
    if os.path.lexists(path):
        raise TbftError(f"'{path}' exists already, and may hold a key", "choose another name")
    with clear_disk_errors(path):
        remove_older(path)
        temporary = beside(path)
        try:
            with os.fdopen(new_file(temporary, PRIVATE_FILE), "wb") as file:
                file.write(signer.private_bytes)
                file.flush()
                flush(temporary)
                _name(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        flush(path.parent)
    return signer


def _name(temporary: Path, path: Path) -> None:
    """Give a file its name, which no file had: what replaces one would lose a key for good."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # Sticks have file systems without links.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE))
        temporary.replace(path)


def private_key(path: Path, mend: str = _MAKE) -> CryptoSigner:
    """The private key in a PEM file (PKCS #8, not encrypted).

    Raises TbftError if it is none, or not Ed25519; `mend` is what helps then.
    """
    with signing_library():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from securesystemslib.signer import CryptoSigner
    try:
        key = load_pem_private_key(_read(path), None)
    except TypeError as error:
        raise TbftError(
            f"the key in '{path}' is encrypted", "decrypt it with: openssl pkey -in KEY -out NEW"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TbftError(f"'{path}' holds no private key", mend) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise TbftError(f"the key in '{path}' is no Ed25519 key", mend)
    return CryptoSigner(key)


def public_keys(path: Path) -> tuple[SSlibKey, ...]:
    """The public keys in a PEM file, at least one; words between them are passed over.

    Raises TbftError for a file that holds none, or another kind of key.
    """
    content = _read(path)
    parts = content.split(_BEGIN)[1:]
    shown = f"'{path}'"
    keys = tuple(public_key(_BEGIN + part.partition(_END)[0] + _END + b"\n", shown) for part in parts)
    if not keys:
        hint = "give the file with the public half" if b"PRIVATE KEY" in content else _MAKE
        raise TbftError(f"'{path}' holds no public key", hint)
    return keys


def public_key(pem: bytes, shown: str) -> SSlibKey:
    """The one key in PEM; errors say that `shown` holds it. Raises TbftError for what is none, or another kind."""
    with signing_library():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
        from securesystemslib.signer import SSlibKey
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TbftError(f"{shown} holds a public key that cannot be read", "copy it again") from error
    if not isinstance(key, Ed25519PublicKey):
        raise TbftError(f"{shown} holds a public key that is no Ed25519 key", _MAKE)
    return SSlibKey.from_crypto(key)


def public_pem(key: SSlibKey) -> str:
    """A public key as a PEM file holds it."""
    with signing_library():
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.keyval["public"]))
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def _read(path: Path) -> bytes:
    try:
        content = read_at_most(path, _LIMIT)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(content) > _LIMIT:
        raise TbftError(f"'{path}' has more than {_LIMIT >> 10} KiB, which no file of keys has", "check the path")
    return content
