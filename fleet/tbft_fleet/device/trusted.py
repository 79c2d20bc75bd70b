"""What a fleet signed, by The Update Framework: its client over any carrier, by a time that no dead clock turns back.

TUF, the client's workflow: https://theupdateframework.github.io/specification/latest/#detailed-client-workflow
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError, SlowRetrievalError
from tuf.api.metadata import Metadata, Root, TargetFile, Targets, Timestamp
from tuf.ngclient import FetcherInterface, Updater

from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_fleet.device.carrier import Carrier
from tbft_fleet.device.clock import Clock
from tbft_fleet.files.signed_at import signed_at

METADATA, TARGETS = "metadata/", "targets/"
# As TUF's own client has it.
ROOT_LIMIT = 512_000


@dataclass(frozen=True)
class Trusted:
    """Targets by their names, and the ids of the keys that sign them."""

    targets: Mapping[str, TargetFile]
    keys: tuple[str, ...]


def trusted_targets(root: bytes, folder: Path, carrier: Carrier, clock: Clock) -> Trusted:
    """The targets as the carrier has them now.

    Args:
        root: The root metadata that the device was given when it joined.
        folder: For metadata that were verified; what is there already is never older again.
        carrier: What brings the newest ones.
        clock: What expiry is compared with.

    Raises:
        RepositoryError, DownloadError, OSError: As `tuf.ngclient.Updater.refresh` does.
    """
    updater = _ClockedUpdater(root, folder, carrier, clock)
    try:
        updater.refresh()
    finally:
        # It has renamed them into their place; what a pulled plug leaves empty protects nobody from older ones.
        for path in (*folder.glob("*.json"), *folder.glob("root_history/*.json"), folder):
            flush(path)
    return updater.trusted


def check_root(content: bytes, shown: str) -> None:
    """Raises TbftError, which calls it `shown`, for what is no root metadata, which a fleet's trust begins with."""
    try:
        metadata = Metadata[Root].from_bytes(content)
        if not isinstance(metadata.signed, Root):
            raise RepositoryError(f"it is '{metadata.signed.type}'")
        metadata.signed.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except RepositoryError as error:
        raise TbftError(
            f"'{shown}' is no root metadata of a fleet: {error}",
            "give the newest root.json of the host's 'repository/metadata', such as 1.root.json",
        ) from error


class CarriedFetcher(FetcherInterface):
    """A carrier, as TUF asks for files."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            yield from self._carrier.pieces(url)[1]
        except FileNotFoundError as error:
            raise DownloadHTTPError(f"there is no '{url}'", 404) from error
        except TimeoutError as error:
            raise SlowRetrievalError(str(error)) from error
        except OSError as error:
            raise DownloadError(f"'{url}': {error.strerror or error}") from error


class _ClockedUpdater(Updater):
    """TUF's own, which compares expiry with the wall clock alone; the steps are those of its `refresh`."""

    def __init__(self, root: bytes, folder: Path, carrier: Carrier, clock: Clock) -> None:
        super().__init__(str(folder), METADATA, fetcher=CarriedFetcher(carrier), bootstrap=root)
        self._clock = clock

    def refresh(self) -> None:
        self._load_root()
        # They come from the last root: a time that a stolen key signed is forgotten once that key is revoked.
        keys = self._keys(Timestamp.type)
        self._trusted_set.reference_time = self._clock.time(keys)
        self._load_timestamp()
        timestamp = self._trusted_set.timestamp
        signed = signed_at(timestamp.unrecognized_fields)
        if signed is not None and signed <= timestamp.expires:
            self._clock.keep(signed, keys)
            self._trusted_set.reference_time = self._clock.time(keys)
        self._load_snapshot()
        self._load_targets(Targets.type, Root.type)

    @property
    def trusted(self) -> Trusted:
        return Trusted(self._trusted_set.targets.targets, self._keys(Targets.type))

    def _keys(self, role: str) -> tuple[str, ...]:
        return tuple(sorted(self._trusted_set.root.roles[role].keyids))
