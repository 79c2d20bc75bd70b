"""A new key in the place of one that was lost, stolen, or is old; devices that slept through several follow."""

from __future__ import annotations

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Root

from tbft_artifacts.errors import TbftError
from tbft_fleet.files.signed_at import signed_at
from tbft_fleet.host.keys import ROLES, KeyName, MissingKeyError, next_key, signer, trusted_ids
from tbft_fleet.host.metadata import Current
from tbft_fleet.host.repository import Repository


def rotate(repository: Repository, name: KeyName) -> str:
    """Give a role a new key, and return its id; from then on no device trusts what the old one alone signed.

    What the old key signed is first signed by both, so that devices with the old root and with the new one find it
    good at each moment. Where the old one is gone there is such a moment between the two: who was killed in it does the
    same again.

    Raises MissingKeyError where the root key is not here, or another one that is needed, and TbftError for a damaged
    repository; nothing has changed then.
    """
    current = _current(repository)
    root = current.root.signed
    old_root = signer(repository.keys, "root", root)
    if name == "root":
        new = next_key(repository.keys, name)
        _replace(root, name, new)
        repository.write_root(current, [old_root, new])
    else:
        old = _if_here(repository, name, root)
        others = [] if name == "online" else [signer(repository.keys, "online", root)]
        new = next_key(repository.keys, name)
        if old is not None:
            _sign(repository, current, name, [old, new], others)
        _replace(root, name, new)
        repository.write_root(current, [old_root])
        if old is None:
            _sign(repository, current, name, [new], others)
    signer(repository.keys, name, root)  # The new key takes the place of the old one, which is worth nothing now.
    return new.public_key.keyid


def _current(repository: Repository) -> Current:
    """A rotation may have been killed between the new root and what its keys sign: no other command goes on then."""
    try:
        return repository.files.current()
    except TbftError:
        return repository.files.current(also_before=True)


def _replace(root: Root, name: KeyName, new: CryptoSigner) -> None:
    gone = list(trusted_ids(root, name))
    for role in ROLES[name]:
        for each in gone:
            root.revoke_key(each, role)
        root.add_key(new.public_key, role)


def _sign(
    repository: Repository, current: Current, name: KeyName, own: list[CryptoSigner], online: list[CryptoSigner]
) -> None:
    """What the key signs, anew, up to the timestamp."""
    if name == "online":
        # Devices forget the times that the old key signed: the host's clock may have been wrong then.
        repository.files.write_online(current, own, repository.expiry, after=None)
        return
    repository.write_targets(current, own)
    after = signed_at(current.timestamp.signed.unrecognized_fields)
    repository.files.write_online(current, online, repository.expiry, after=after)


def _if_here(repository: Repository, name: KeyName, root: Root) -> CryptoSigner | None:
    try:
        return signer(repository.keys, name, root)
    except MissingKeyError:
        return None
