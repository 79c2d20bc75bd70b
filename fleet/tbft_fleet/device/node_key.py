"""The key by which a SuperLink knows a SuperNode: P-384, in OpenSSH's form, as Flower reads them.

It only lets a device fetch messages; what it does with one, and what a host makes of the answer, hangs on signatures.
"""

from __future__ import annotations

from pathlib import Path

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.rights import PRIVATE_FILE, private_folder
from tbft_artifacts.signing.library import signing_library

_LIMIT = 16 << 10


def make_node_key(path: Path) -> str:
    """The public half, a line of OpenSSH, of the key in `path`, which nobody else may read: a new one if none is there.

    Raises TbftError for a file that holds no key, and for a full disk.
    """
    if not path.exists():
        with signing_library():
            from cryptography.hazmat.primitives.asymmetric import ec
            from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
        key = ec.generate_private_key(ec.SECP384R1())
        private_folder(path.parent)
        with atomic_file(path, mode=PRIVATE_FILE) as temporary:
            temporary.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return _public(path)


def _public(path: Path) -> str:
    with signing_library():
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
    try:
        key = load_ssh_private_key(read_at_most(path, _LIMIT), None)
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        raise TbftError(f"'{path}' holds no key of a SuperNode", "remove it, and join the device anew") from error
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
