"""The folder that a device keeps all of its fleet in: only its user looks into it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from tbft_artifacts.atomic import atomic_file, clear_disk_errors
from tbft_artifacts.decode import MIB, decode_toml
from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.locked import locked
from tbft_artifacts.numbered import NONE, Numbered
from tbft_artifacts.own import read_own
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.rights import PRIVATE_FILE
from tbft_artifacts.structs import Struct
from tbft_artifacts.temporary import beside
from tbft_fleet.device.clock import Clock, wall_clock
from tbft_fleet.device.ongoing import DamagedError, Ongoing, read_ongoing
from tbft_fleet.files.names import DeviceId, Group
from tbft_fleet.files.release import Release

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

# No path has a zero byte.
_Text = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^[^\x00]*\Z")]


class Device(Struct, frozen=True, kw_only=True):
    """What `device.toml` says: who it is, where releases come from, and labelled `images` of its own, if it has any.

    `carrier` is a URL, or a folder such as that of a stick; None where each pull is told. `results` is a URL to which
    what the device has to tell is sent; None where somebody takes it from the outbox.
    """

    id: DeviceId
    group: Group
    carrier: _Text | None = None
    images: _Text | None = None
    results: _Text | None = None


@dataclass(frozen=True)
class Place:
    """Where things lie, and what of them does not change while an update goes on."""

    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / "device.toml"

    @property
    def key(self) -> Path:
        """The private half of the device's own key, which never leaves it."""
        return self.folder / "key.pem"

    @property
    def rounds(self) -> Path:
        """What rounds need: the SuperNode's folder, and work."""
        return self.folder / "rounds"

    @property
    def node_key(self) -> Path:
        """By which a SuperLink knows the device's SuperNode."""
        return self.rounds / "node.key"

    @property
    def failures(self) -> Path:
        """How often its server failed, one time after the other, and until when it is left alone."""
        return self.folder / "failures.json"

    @property
    def enrolment(self) -> Path:
        """What the host is given to know the device by."""
        return self.folder / "enrolment.dsse.json"

    @property
    def root(self) -> Path:
        """The fleet's first root metadata, on which all trust in releases rests."""
        return self.folder / "root.json"

    @property
    def tuf(self) -> Path:
        """Metadata that are trusted now."""
        return self.folder / "tuf"

    @property
    def clock(self) -> Path:
        """The newest time that was seen."""
        return self.folder / "clock.json"

    @property
    def offered(self) -> Path:
        """Which keys stood behind the releases that came."""
        return self.folder / "offered.json"

    @property
    def incoming(self) -> Path:
        """Archives on their way: what was fetched, or a part of it, until it is staged."""
        return self.folder / "incoming"

    @property
    def releases(self) -> Numbered:
        return Numbered(self.folder / "releases")

    @property
    def link(self) -> Path:
        """A link to the bundle that is proven, for whatever wants one path for good, and no release on trial."""
        return self.releases.folder / "current-bundle"

    @property
    def update(self) -> Path:
        """The update that is under way, or was the last."""
        return self.folder / "update.json"

    @property
    def failed(self) -> Path:
        """Numbers of releases that did not stay."""
        return self.folder / "failed.json"

    @property
    def outbox(self) -> Path:
        """Results that the host does not have yet."""
        return self.folder / "outbox"

    @property
    def counter(self) -> Path:
        """The number of the last result."""
        return self.folder / "counter"

    @property
    def device(self) -> Device:
        """Who it is. Raises TbftError where nobody joined, or the file was changed into none."""
        try:
            content = read_at_most(self.settings, MIB)
        except FileNotFoundError as error:
            raise TbftError(
                f"'{self.folder}' is no folder of a device", "make it with 'tbft-edge fleet join'"
            ) from error
        except OSError as error:
            raise unreadable(self.settings, error) from error
        failed, hint = f"'{self.settings}' cannot be read", "mend it: docs/fleet-device.md"
        return decode_toml(content, Device, MIB, failed=failed, hint=hint)

    @property
    def id(self) -> str:
        return self.device.id

    @property
    def group(self) -> str:
        return self.device.group

    def signer(self) -> CryptoSigner:
        """What signs for the device. Raises TbftError where its key is gone, or cannot be read."""
        from tbft_artifacts.signing.keys import private_key

        return private_key(self.key, "restore it from a copy; if it is lost, join the device anew, and enrol it again")

    def release(self, number: int) -> Release | None:
        """What was said of a release; None where there is none that is whole, as far as names tell."""
        place = self.releases.place(number)
        found = read_own(place / "release.json", Release)
        return found if found is not None and found.number == number and (place / "bundle").is_dir() else None

    def bundle(self, number: int) -> Path:
        """Where the bundle of a release lies, whole, or would."""
        return self.releases.place(number) / "bundle"

    def current(self) -> int:
        """The release that runs; 0 as long as none does.

        Where that is gone, or nobody knows which it was, the last one that is there and passed its gates.
        """
        number = self.releases.pointed()
        if number == NONE and self.releases.was_chosen:
            return NONE
        if number is not None and number != NONE and self.release(number) is not None:
            return number
        try:
            unproven = self._unproven()
        except DamagedError:
            unproven = None
        return self.latest(set() if unproven is None else {unproven.number})

    def proven(self) -> int:
        """The last release that showed all that it must, which runs or did until a newer one began to; 0: none did.

        Raises DamagedError where nobody knows any more whether what runs is on trial.
        """
        current, unproven = self.current(), self._unproven()
        if unproven is None or unproven.number != current:
            return current
        return unproven.before if self.release(unproven.before) is not None else NONE

    def _unproven(self) -> Ongoing | None:
        """The update that is under way, as long as nobody knows whether it stays. Raises DamagedError."""
        ongoing = read_ongoing(self.update)
        return ongoing if ongoing is not None and ongoing.is_unproven else None

    def latest(self, but: set[int]) -> int:
        """The last release that is there, `but` for some; 0 where none is."""
        with contextlib.suppress(OSError):
            known = (number for number in reversed(self.releases.numbers()) if number not in but)
            return next((number for number in known if self.release(number) is not None), NONE)
        return NONE

    def mend_link(self) -> None:
        """Let the link lead to what is proven. Raises TbftError for a full disk."""
        try:
            number = self.proven()
        except DamagedError:
            if self.link.exists():
                # To something that was proven once.
                return
            number = self.current()
        wanted = f"{self.releases.place(number).name}/bundle"
        with clear_disk_errors(self.link):
            if number == NONE:
                self.link.unlink(missing_ok=True)
            elif not self.link.is_symlink() or str(self.link.readlink()) != wanted:
                temporary = beside(self.link)
                temporary.symlink_to(wanted)
                temporary.replace(self.link)
            flush(self.link.parent)

    def next_counter(self) -> int:
        """Of the next result: a number that no result had before, whatever was killed meanwhile.

        Raises TbftError for a full disk.
        """
        with locked(self.folder / "counter.lock", wait=True):
            number = self._last_counter() + 1
            with atomic_file(self.counter, mode=PRIVATE_FILE) as temporary:
                temporary.write_text(f"{number}\n", encoding="ascii")
            return number

    def _last_counter(self) -> int:
        try:
            return int(read_at_most(self.counter, 64).decode("ascii"))
        except (OSError, ValueError):
            # The host takes none that is lower than one before, and no device counts as many results as seconds pass.
            # What waits here says, too, how far it was.
            waiting = (int(path.name) for path in self.outbox.glob("*") if path.name.isdecimal())
            return max(int(Clock(self.clock, wall_clock()).latest.timestamp()), *waiting, 0)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Hold the folder for an update. Raises TbftError if another process does, or it is no device's."""
        _ = self.device
        with locked(self.folder / "lock", wait=False) as is_ours:
            if not is_ours:
                raise TbftError(
                    f"another 'fleet pull' is at work in '{self.folder}'", "wait until it is through, and look again"
                )
            yield
