"""Take what devices tell: each result whole, as it was signed, once; of known devices and releases only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tbft_artifacts.atomic import atomic_folder
from tbft_artifacts.decode import decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most
from tbft_artifacts.rights import private_folder
from tbft_artifacts.signing.envelope import LIMIT, taken, verify_by
from tbft_artifacts.signing.statement import Statement
from tbft_fleet.files.release import Release
from tbft_fleet.files.result import ENVELOPE, MOST_BYTES, NO_BUNDLE, PREDICATE_TYPE, WEIGHTS, Result, folder_name
from tbft_fleet.host.checked_files import check_names, read_envelope, take
from tbft_fleet.host.device import Device
from tbft_fleet.host.devices import Devices
from tbft_fleet.host.enrolling import key_of
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.keeping import keep_newest
from tbft_fleet.host.trainable import Trainable, check_weights, trainable

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

_DISTRUST = "do not trust it, and look at the device that it came from"


class Accepted(msgspec.Struct, frozen=True):
    """A result that lies in the fleet's folder now; `is_new` unless it lay there already."""

    device: str
    counter: int
    is_new: bool


@dataclass
class Inbox:
    """Takes results of `devices` into the folder `results`.

    `releases` are all that there are, by their numbers, and `bundle_of` gives where the bundle of one lies.
    """

    devices: Devices
    results: Path
    releases: Mapping[int, Release]
    bundle_of: Callable[[int], Path]
    _trainable: dict[str, Trainable] = field(default_factory=dict)

    def accept(self, folder: Path, at: str) -> Accepted:
        """Take the result in `folder`, at the time `at` (ISO 8601).

        Raises:
            TbftError: In one line, why not: the device is unknown or revoked, the result is of another bundle than
                was released or older than one that was taken, its nonce was used, a file changed, is not listed, is a
                link or too large, or its weights are none that training the release would leave.
        """
        content = read_envelope(folder)
        statement = verify_by(content, self._keys, "it")
        result = result_of(statement)
        device = self.devices.need(result.device)
        self._check_place(folder, result)
        place = self.results / result.device / folder_name(result.counter)
        if result.counter < device.kept_from:
            # Of those that are older than what is kept nobody can say which were taken; nothing comes of any.
            return Accepted(result.device, result.counter, is_new=False)
        if not self._is_there(place, statement):
            self._check_new(result, device)
            self._check_release(result)
            listed = check_names(folder, statement.subject)
            private_folder(place.parent)
            with atomic_folder(place) as temporary:
                left = MOST_BYTES
                for name, sha256 in listed.items():
                    left -= take(folder / name, temporary / name, sha256, left)
                self._check_weights(temporary, result, listed.keys())
                (temporary / ENVELOPE).write_bytes(content)
        elif result.counter <= device.counter:
            return Accepted(result.device, result.counter, is_new=False)
        # Also of one that lies there since somebody was killed right here.
        self.devices.keep(device.told(result, at, keep_newest(place.parent)))
        return Accepted(result.device, result.counter, is_new=True)

    def _keys(self, claimed: Statement) -> Sequence[SSlibKey]:
        """The one of the device that the result claims to be of."""
        device = self.devices.get(result_of(claimed).device)
        if device is None:
            raise TbftError(
                f"it says that it is of device '{result_of(claimed).device}', which is not enrolled",
                "enrol the device, if it is yours: tbft-edge fleet enrol",
            )
        if device.revoked_at is not None:
            raise TbftError(f"device '{device.name}' was revoked at {device.revoked_at}", "look at that device")
        return [key_of(device)]

    def _check_place(self, folder: Path, result: Result) -> None:
        """Under another number, or another device's name, nobody could say what is there already."""
        if folder.name != folder_name(result.counter):
            raise TbftError(
                f"it holds result {result.counter} of device '{result.device}' under another name", _DISTRUST
            )
        above = folder.absolute().parent.name
        if above != result.device and self.devices.get(above) is not None:
            raise TbftError(f"it is of device '{result.device}', and lies where '{above}' has its results", _DISTRUST)

    def _is_there(self, place: Path, statement: Statement) -> bool:
        """Whether the very same result was taken. Raises TbftError for another one with its number.

        What was stated counts: who carries an envelope may write it in other words, and add signatures.
        """
        path = place / ENVELOPE
        try:
            before = taken(read_at_most(path, LIMIT), f"'{path}'")
        except FileNotFoundError:
            return False
        if before != statement:
            raise TbftError("another result with its number was taken before", _DISTRUST)
        return True

    def _check_new(self, result: Result, device: Device) -> None:
        if result.counter <= device.counter:
            raise TbftError(
                f"it is number {result.counter} of device '{device.name}', of which number {device.counter} was taken",
                "nothing is lost but this one: the newer one says how the device is",
            )
        if result.nonce in device.nonces:
            raise TbftError(f"its nonce was used by device '{device.name}' before", _DISTRUST)

    def _check_release(self, result: Result) -> None:
        newest = max(self.releases, default=0)
        release = self.releases.get(result.release)
        # A repository forgets old releases, which devices that were off for long may still run.
        is_forgotten = release is None and 0 < result.release < newest
        bundle_id = NO_BUNDLE if result.release == 0 else release.bundle_id if release else None
        if result.bundle_id != bundle_id and not is_forgotten:
            raise TbftError(
                f"it is of bundle {result.bundle_id[:12]} as release {result.release}, which this fleet never released",
                "see what the device runs",
            )
        if result.update is not None and result.update.release > newest:
            raise TbftError(f"it tells of release {result.update.release}, which there was not", _DISTRUST)
        if result.training is not None and release is None:
            raise TbftError(
                f"it tells of a training of release {result.release}, which is none that devices take any more",
                "let the device take a newer one",
            )

    def _check_weights(self, folder: Path, result: Result, names: Collection[str]) -> None:
        if WEIGHTS not in names:
            return
        if result.training is None:
            raise TbftError("it has weights, and tells of no training", _DISTRUST)
        known = self._trainable.get(result.bundle_id)
        if known is None:
            known = trainable(self.bundle_of(result.release), result.bundle_id)
            self._trainable[result.bundle_id] = known
        check_weights((folder / WEIGHTS).read_bytes(), result.training.plan, known)


def inbox_of(fleet: Fleet, devices: Devices) -> Inbox:
    """That of a fleet. Raises TbftError for a repository that is damaged."""
    releases = {release.number: release for release in fleet.releases()}
    return Inbox(devices, fleet.results, releases, lambda number: fleet.repository.archive(releases[number]))


def result_of(statement: Statement) -> Result:
    """What a device stated. Raises TbftError where it is something else."""
    if statement.predicate_type != PREDICATE_TYPE:
        raise TbftError("it states something else than a result", _DISTRUST)
    return decode(bytes(statement.predicate), Result, LIMIT, failed="it cannot be read", hint=_DISTRUST)
