"""The TUF repository of a fleet: what its devices are given, on any static server or stick.

The Update Framework: https://theupdateframework.github.io/specification/latest/
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.bundle import file_entry
from tbft_artifacts.errors import TbftError
from tbft_fleet.files.release import Release, from_custom, to_custom
from tbft_fleet.files.signed_at import signed_at
from tbft_fleet.host.keys import KEYS, ROLES, KeyName, MissingKeyError, make_keys, signer, trusted_ids
from tbft_fleet.host.metadata import Current, Files, ends_after, now
from tbft_fleet.host.pruning import KEPT, remove_unused, superseded
from tbft_fleet.host.settings import Expiry


@dataclass(frozen=True)
class Ends:
    """Until when something that a key signed counts; `is_here` says whether the key is."""

    key: KeyName
    ids: tuple[str, ...]
    is_here: bool
    expires: datetime


@dataclass(frozen=True)
class Repository:
    """The one in `folder`, which the keys in `keys` sign. Whoever changes it holds the lock of the fleet."""

    folder: Path
    keys: Path
    expiry: Expiry

    @property
    def files(self) -> Files:
        return Files(self.folder / "metadata")

    @property
    def archives(self) -> Path:
        return self.folder / "targets"

    def create(self) -> None:
        """Make keys, and a repository without a release."""
        self.files.folder.mkdir(parents=True)
        self.archives.mkdir()
        made, at = make_keys(self.keys), now()
        root = Root(expires=ends_after(at, self.expiry.root), consistent_snapshot=True)
        for name in KEYS:
            for role in ROLES[name]:
                root.add_key(made[name].public_key, role)
        current = Current(
            Metadata(root),
            Metadata(Targets(expires=ends_after(at, self.expiry.targets))),
            Metadata(Snapshot(expires=at)),
            Metadata(Timestamp(version=1, expires=at)),
        )
        self.files.write("root", current.root, [made["root"]])
        self.files.write("targets", current.targets, [made["targets"]])
        self.files.write_online(current, [made["online"]], self.expiry, after=None)

    def releases(self) -> tuple[Release, ...]:
        """All of them in the order of their numbers; deltas behind the whole one of the same number.

        Raises TbftError for a repository that is damaged, and NewerRuntimeError for a release of a version to come.
        """
        return _releases(self.files.current())

    def archive(self, release: Release) -> Path:
        """Where the archive of a release lies. Raises TbftError where there is none such."""
        target = self.files.current().targets.signed.targets.get(release.target)
        if target is None:
            raise TbftError(f"there is no '{release.target}' in this fleet", "'tbft-edge fleet status' lists releases")
        return self.archives / target.get_prefixed_paths()[0]

    def publish(self, archives: Mapping[Release, Path]) -> None:
        """Take archives in for releases of one number, and let devices know; old ones that nobody takes any more go.

        Raises TbftError for a key that is not here or not trusted, for a root that expired, and for a full disk:
        devices then see what they saw before.
        """
        current = self.files.current()
        targets_key, online = self._signers(current.root.signed)
        for release, archive in archives.items():
            current.targets.signed.targets[release.target] = self._take(release, archive)
        known = _releases(current)
        gone = superseded(known, KEPT)
        for release in known:
            if release.number in gone:
                del current.targets.signed.targets[release.target]
        self._write_targets(current, [targets_key], [online])
        used = {target.get_prefixed_paths()[0] for target in current.targets.signed.targets.values()}
        remove_unused(self.files, self.archives, used, KEPT)

    def set_percent(self, number: int, percent: int) -> None:
        """Open a release to this share of its devices. Raises TbftError as `publish`."""
        current = self.files.current()
        targets_key, online = self._signers(current.root.signed)
        for release in _releases(current):
            if release.number == number:
                target = current.targets.signed.targets[release.target]
                target.unrecognized_fields["custom"] = to_custom(replace(release, percent=percent))
        self._write_targets(current, [targets_key], [online])

    def renew(self) -> None:
        """Sign snapshot and timestamp anew; targets and root, too, where half of their time is over, with keys at hand.

        Raises TbftError as `publish`.
        """
        current = self.files.current()
        root, targets = current.root.signed, current.targets.signed
        if _is_half_over(root.expires, self.expiry.root):
            self._if_here("root", root, lambda key: self.write_root(current, [key]))
        if _is_half_over(targets.expires, self.expiry.targets):
            self._if_here("targets", root, lambda key: self.write_targets(current, [key]))
        _check_root(root)
        online = signer(self.keys, "online", root)
        self.files.write_online(
            current, [online], self.expiry, after=signed_at(current.timestamp.signed.unrecognized_fields)
        )

    def task_signer(self) -> CryptoSigner:
        """What signs tasks of rounds: the key that is online. Raises TbftError as `publish`."""
        root = self.files.current().root.signed
        _check_root(root)
        return signer(self.keys, "online", root)

    def merge_keys(self) -> tuple[SSlibKey, ...]:
        """Those that merges may be signed with: each that ever was online, since a merge is older than a rotation."""
        found = {each: root.keys[each] for root in self.files.roots() for each in trusted_ids(root, "online")}
        return tuple(key for key in found.values() if isinstance(key, SSlibKey))

    def ends(self) -> tuple[Ends, ...]:
        """Of each key, until when what it signed counts. Raises TbftError for a repository that is damaged."""
        current = self.files.current()
        root = current.root.signed
        online = min(current.snapshot.signed.expires, current.timestamp.signed.expires)
        expires = {"root": root.expires, "targets": current.targets.signed.expires, "online": online}
        return tuple(
            Ends(name, tuple(trusted_ids(root, name)), self._is_here(name, root), expires[name]) for name in KEYS
        )

    def write_root(self, current: Current, signers: Sequence[CryptoSigner]) -> None:
        """The next root, which devices follow from the one before."""
        root = current.root.signed
        root.version, root.expires = root.version + 1, ends_after(now(), self.expiry.root)
        self.files.write("root", current.root, signers)

    def write_targets(self, current: Current, signers: Sequence[CryptoSigner]) -> None:
        """The next targets, of which devices know once the timestamp leads there."""
        targets = current.targets.signed
        targets.version = self.files.latest("targets") + 1
        targets.expires = ends_after(now(), self.expiry.targets)
        self.files.write("targets", current.targets, signers)

    def _write_targets(self, current: Current, targets: Sequence[CryptoSigner], online: Sequence[CryptoSigner]) -> None:
        after = signed_at(current.timestamp.signed.unrecognized_fields)
        self.write_targets(current, targets)
        self.files.write_online(current, online, self.expiry, after=after)

    def _signers(self, root: Root) -> tuple[CryptoSigner, CryptoSigner]:
        _check_root(root)
        return signer(self.keys, "targets", root), signer(self.keys, "online", root)

    def _is_here(self, name: KeyName, root: Root) -> bool:
        try:
            signer(self.keys, name, root)
        except TbftError:
            return False
        return True

    def _if_here(self, name: KeyName, root: Root, use: Callable[[CryptoSigner], None]) -> None:
        try:
            key = signer(self.keys, name, root)
        except MissingKeyError:
            return
        use(key)

    def _take(self, release: Release, archive: Path) -> TargetFile:
        """Copy an archive to where devices look for it."""
        entry = file_entry(archive)
        target = TargetFile(
            entry.bytes, {"sha256": entry.sha256}, release.target, unrecognized_fields={"custom": to_custom(release)}
        )
        place = self.archives / target.get_prefixed_paths()[0]
        with atomic_file(place) as temporary:
            shutil.copyfile(archive, temporary)
        if file_entry(place) != entry:
            place.unlink()
            raise TbftError(
                f"'{archive}' changed while it was copied", "release it again when nobody writes it any more"
            )
        return target


def _releases(current: Current) -> tuple[Release, ...]:
    found = [from_custom(target.custom, name) for name, target in current.targets.signed.targets.items()]
    return tuple(sorted(found, key=lambda release: (release.number, release.parent or "")))


def _check_root(root: Root) -> None:
    """What is signed below an expired root is taken by no device."""
    if root.is_expired(now()):
        raise TbftError(
            f"the root metadata of this fleet expired on {root.expires:%Y-%m-%d}",
            "'tbft-edge fleet keys renew' makes new ones where root.pem is",
        )


def _is_half_over(expires: datetime, days: int) -> bool:
    return expires - now() < timedelta(days=days) / 2
