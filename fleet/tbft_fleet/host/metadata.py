"""The metadata of a TUF repository as files, read as they were signed and written so that each moment is whole.

Consistent snapshots: a version of root, targets and snapshot never changes once it is there, and devices know of it by
the timestamp alone, which is written last.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, T, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_fleet.files.signed_at import FIELD
from tbft_fleet.host.settings import Expiry

_LIMIT = 16 << 20


def now() -> datetime:
    """By the host's clock, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


def ends_after(at: datetime, days: int) -> datetime:
    """So many days later. Raises TbftError where calendars end before that: the host's clock is wrong."""
    try:
        return at + timedelta(days=days)
    except OverflowError as error:
        raise TbftError(
            f"this host's clock says {at:%Y-%m-%d}, and no signature can end {days} days later", "set the clock"
        ) from error


@dataclass(frozen=True)
class Current:
    """What the repository says now."""

    root: Metadata[Root]
    targets: Metadata[Targets]
    snapshot: Metadata[Snapshot]
    timestamp: Metadata[Timestamp]


@dataclass(frozen=True)
class Files:
    """Those in `folder`, the repository's `metadata`."""

    folder: Path

    def current(self, *, also_before: bool = False) -> Current:
        """What devices see. Raises TbftError for metadata that are damaged, or signed by no key of the fleet.

        `also_before`: nor by one of those before the last rotation. They may be a thief's, and whoever signs on top of
        what they signed has devices trust it again.
        """
        newest = self.latest("root")
        if newest == 0:
            raise _damaged(self.folder, "it has no root metadata")
        root = self._read(self.folder / f"{newest}.root.json", Root)
        trusted = [root.signed]
        if also_before and root.signed.version > 1:
            trusted.append(self._read(self.folder / f"{root.signed.version - 1}.root.json", Root).signed)
        self._verify(root, "root", trusted[:1])
        timestamp = self._read(self.folder / "timestamp.json", Timestamp)
        self._verify(timestamp, "timestamp", trusted)
        version = timestamp.signed.snapshot_meta.version
        snapshot = self._read(self.folder / f"{version}.snapshot.json", Snapshot)
        self._verify(snapshot, "snapshot", trusted)
        version = snapshot.signed.meta["targets.json"].version
        targets = self._read(self.folder / f"{version}.targets.json", Targets)
        self._verify(targets, "targets", trusted)
        return Current(root, targets, snapshot, timestamp)

    def roots(self) -> tuple[Root, ...]:
        """From the first one to the newest. Raises TbftError for one that is gone, or not by the one before."""
        found: list[Root] = []
        for version in range(1, self.latest("root") + 1):
            root = self._read(self.folder / f"{version}.root.json", Root)
            self._verify(root, "root", [found[-1] if found else root.signed])
            found.append(root.signed)
        return tuple(found)

    def latest(self, role: str) -> int:
        """The highest version of a role that is there, whether devices know of it or not; 0 without any."""
        name = re.compile(rf"([0-9]{{1,9}})\.{role}\.json")
        found = (name.fullmatch(path.name) for path in self.folder.iterdir())
        return max((int(match[1]) for match in found if match), default=0)

    def write(self, role: str, metadata: Metadata[T], signers: Sequence[CryptoSigner]) -> None:
        """Sign a new version, and put it there whole."""
        metadata.signatures.clear()
        for signer in signers:
            metadata.sign(signer, append=True)
        name = "timestamp.json" if role == "timestamp" else f"{metadata.signed.version}.{role}.json"
        with atomic_file(self.folder / name) as temporary:
            temporary.write_bytes(metadata.to_bytes(JSONSerializer(compact=True)))

    def write_online(
        self, current: Current, signers: Sequence[CryptoSigner], expiry: Expiry, *, after: datetime | None
    ) -> None:
        """The snapshot and, last of all, the timestamp, for the targets that are there.

        Raises TbftError where the host's clock is behind `after`, when the last one was signed: devices would take the
        new one for expired.
        """
        at = now()
        if after is not None and at < after:
            raise TbftError(
                f"this host's clock says {at:%Y-%m-%d %H:%M} UTC, and the last metadata were signed after that, "
                f"{after:%Y-%m-%d %H:%M}",
                "set the clock; if it was wrong before, 'tbft-edge fleet keys rotate' with key online begins anew",
            )
        expires = ends_after(at, expiry.online)
        snapshot, timestamp = current.snapshot.signed, current.timestamp.signed
        snapshot.version, snapshot.expires = self.latest("snapshot") + 1, expires
        snapshot.meta["targets.json"] = MetaFile(version=current.targets.signed.version)
        self.write("snapshot", current.snapshot, signers)
        timestamp.version, timestamp.expires = timestamp.version + 1, expires
        timestamp.snapshot_meta = MetaFile(version=snapshot.version)
        timestamp.unrecognized_fields[FIELD] = at.isoformat()
        self.write("timestamp", current.timestamp, signers)

    def _read(self, path: Path, kind: type[T]) -> Metadata[T]:
        try:
            found = Metadata[T].from_bytes(read_at_most(path, _LIMIT))
        except OSError as error:
            raise unreadable(path, error) from error
        except RepositoryError as error:
            raise _damaged(path, str(error)) from error
        if not isinstance(found.signed, kind):
            raise _damaged(path, f"it is '{found.signed.type}'")
        return found

    def _verify(self, metadata: Metadata[T], role: str, roots: Sequence[Root]) -> None:
        """Whoever may write into the folder, such as a web server, must not have the fleet's keys sign for him."""
        failed: RepositoryError | None = None
        for root in roots:
            try:
                root.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
            except RepositoryError as error:
                failed = failed or error
            else:
                return
        raise _damaged(self.folder / f"{role}.json", str(failed))


def _damaged(path: Path, why: str) -> TbftError:
    return TbftError(
        f"'{path}' is not what the fleet signed: {why}",
        "restore the repository from a copy; where 'tbft-edge fleet keys rotate' was killed, do that again",
    )
