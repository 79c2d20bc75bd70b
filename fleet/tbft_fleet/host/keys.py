"""The three keys of a fleet, each in a file of its own: any may be taken away until it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Root

from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.rights import private_folder
from tbft_artifacts.signing.keys import new_key, private_key
from tbft_artifacts.temporary import remove_older

KeyName = Literal["root", "targets", "online"]
KEYS: tuple[KeyName, ...] = ("root", "targets", "online")
# The roles of TUF that each signs.
ROLES: dict[KeyName, tuple[str, ...]] = {
    "root": ("root",),
    "targets": ("targets",),
    "online": ("snapshot", "timestamp"),
}


# A pair of keys that somebody makes is none that devices trust.
_MEND = "bring back the one that belongs to this fleet; if it is lost, remove this file, and make the next one"
_MEND_ROOT = "bring back the one that belongs to this fleet: only it can name another one"


class MissingKeyError(TbftError):
    """A key that is needed was taken away."""


def key_file(keys: Path, name: KeyName) -> Path:
    """Where a key lies."""
    return keys / f"{name}.pem"


def make_keys(keys: Path) -> dict[KeyName, CryptoSigner]:
    """New ones, in a new folder that nobody else may look into."""
    private_folder(keys)
    return {name: new_key(key_file(keys, name)) for name in KEYS}


def trusted_ids(root: Root, name: KeyName) -> list[str]:
    """The ids of the keys that the root metadata trust in the place of `name`."""
    return root.roles[ROLES[name][0]].keyids


def signer(keys: Path, name: KeyName, root: Root) -> CryptoSigner:
    """The private half of a key. Raises MissingKeyError where it is not there, and TbftError for one of no trust.

    A rotation that was killed may have left the new one beside the old: it then takes its place here.
    """
    file, new = key_file(keys, name), _new_file(keys, name)
    if new.exists():
        made = private_key(new, _MEND)
        if made.public_key.keyid in trusted_ids(root, name):
            new.replace(file)
            flush(keys)
    if not file.exists():
        raise MissingKeyError(
            f"the key '{name}' is not in '{file}'", "bring it back for this command, and take it away again afterwards"
        )
    found = private_key(file, _MEND_ROOT if name == "root" else f"{_MEND}: 'tbft-edge fleet keys rotate' with {name}")
    if found.public_key.keyid not in trusted_ids(root, name):
        raise TbftError(f"the fleet does not trust the key in '{file}'", "put the one there that belongs to this fleet")
    return found


def next_key(keys: Path, name: KeyName) -> CryptoSigner:
    """A key to take the place of one, in a file beside it until `signer` finds that it is trusted."""
    new = _new_file(keys, name)
    remove_older(new)
    return private_key(new, "remove it, and begin anew") if new.exists() else new_key(new)


def _new_file(keys: Path, name: KeyName) -> Path:
    return keys / f"{name}.new.pem"
