"""A device looks for a release that is newer than its own, and fetches it; nothing that TUF does not vouch for."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuf.api.metadata import TargetFile

from tbft_artifacts.atomic import clear_disk_errors
from tbft_artifacts.bundle import file_entry
from tbft_artifacts.disk import disk_of
from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.rights import private_folder
from tbft_fleet.device.carrier import Carrier
from tbft_fleet.device.clock import Clock, wall_clock
from tbft_fleet.device.offered import Offered
from tbft_fleet.device.refusals import refusals
from tbft_fleet.device.trusted import TARGETS, Trusted, check_root, trusted_targets
from tbft_fleet.files.release import NewerRuntimeError, Release, from_custom
from tbft_fleet.files.waves import is_open

_ROOT_LIMIT = 512_000
_NAME = re.compile(r"release-([0-9]{6,10})(\.delta-[0-9a-f]{12})?\.tar\.gz")
# How often a download that was cut goes on at once, as long as more comes each time.
_TRIES = 5


@dataclass(frozen=True)
class Client:
    """A device as a release sees it.

    `current` is the number of what runs, 0 for none; `bundles` are the ids of those that lie here, over which a delta
    can be laid; `tried` is the number of the last update (0: none), and `refused` are those of releases that did not
    pass here, which are not taken again. `root` is the root metadata that the device was given when it joined, `tuf` a
    folder for metadata, `clock` a file for the newest time that was signed, and `offered` one for the keys behind
    releases. `ahead`: it takes what its wave has not come to, since somebody else chooses the devices.
    """

    id: str
    group: str
    current: int
    bundles: frozenset[str]
    tried: int
    refused: frozenset[int]
    root: Path
    tuf: Path
    clock: Path
    offered: Path
    ahead: bool = False


@dataclass(frozen=True)
class Offer:
    """A release that a device should take: its archive, and where that is to be had.

    `forgotten` are numbers of releases here that count no longer: only keys that are trusted no more stand behind them.
    """

    release: Release
    name: str
    bytes: int
    sha256: str
    carrier: Carrier
    forgotten: frozenset[int]


def newest(client: Client, carrier: Carrier, say: Callable[[str], None]) -> Offer | None:
    """The newest release for a device, as a delta if its parent lies here; None if there is none newer than its own.

    Those that need a newer version of this package are passed over, and `say` is told. Raises TbftError in one line for
    whatever TUF refuses, for a carrier that cannot be read, and for a full disk.
    """
    clock = Clock(client.clock, wall_clock())
    if not clock.is_known:
        say(
            f"the clock of this device is not set: it says {clock.wall:%Y-%m-%d}; "
            "whether metadata expired is judged by the newest time that the host signed"
        )
    trusted, offered = _trusted(client, carrier, clock), Offered(client.offered)
    forgotten = _forgotten(offered, trusted)
    if client.current in forgotten:
        say(
            f"release {client.current} runs here, and no key that this fleet trusts now stands behind it: "
            "any other release takes its place"
        )
    found: dict[int, list[Offer]] = {}
    too_new: dict[int, NewerRuntimeError] = {}
    for name, target in trusted.targets.items():
        number = _number(name)
        if number is None or not _is_above(client, number, forgotten):
            continue
        try:
            offer = _offer(name, target, carrier, forgotten)
        except NewerRuntimeError as error:
            too_new[number] = error
            continue
        if why_not(client, offer.release, forgotten) is None:
            found.setdefault(number, []).append(offer)
    for number, reason in too_new.items():
        say(f"release {number} is passed over: {reason.message}; {reason.hint}")
    if not found:
        return None
    newest = min(found[max(found)], key=lambda offer: offer.bytes)
    offered.keep(newest.release, trusted.keys, {client.current, client.tried})
    return newest


def why_not(client: Client, release: Release, forgotten: frozenset[int]) -> str | None:
    """Why a release is not for a device, where numbers that are `forgotten` do not count; None if it is."""
    if client.group not in release.groups:
        return f"it is for {' and '.join(release.groups)}, and this device is of {client.group}"
    if not client.ahead and not is_open(release, client.id):
        return f"it goes to {release.percent} % of the devices, and this one is not among them"
    if not _is_above(client, release.number, forgotten):
        return f"release {client.current} runs here, and the number of a newer one is higher"
    if release.number in client.refused - forgotten:
        return "it did not pass on this device before"
    if release.percent == 0:
        return "the host withdrew it"
    if release.parent is not None and release.parent not in client.bundles:
        return f"bundle {release.parent[:12]}, over which it has to be laid, is not here"
    return None


def _is_above(client: Client, number: int, forgotten: frozenset[int]) -> bool:
    """Above what runs; a folder has its number, so that one with the same never takes its place."""
    return number > client.current or (client.current in forgotten and number != client.current)


def fetch(client: Client, offer: Offer, folder: Path) -> Path:
    """The archive of an offer, in `folder`, verified. What is there of it already is not fetched again.

    `folder` is for nothing else: parts of other releases are removed from it.

    Raises TbftError for a release that is not for this device, a download that ends early (the next call goes on from
    there), content that is not what was signed, and a full disk.
    """
    reason = why_not(client, offer.release, offer.forgotten)
    if reason is not None:
        raise TbftError(f"release {offer.release.number} is not taken: {reason}", "what runs here goes on running")
    shown = offer.carrier.shown
    part, whole = folder / f"{offer.sha256}.part", folder / offer.name
    with clear_disk_errors(folder):
        private_folder(folder)
        for left in folder.iterdir():
            if left not in (part, whole):
                left.unlink()
        if _has(whole, offer):
            return whole
        _check_space(offer, part)
        _download(offer, part)
        if not _has(part, offer):
            part.unlink()
            raise TbftError(
                f"nothing is taken from '{shown}': '{offer.name}' is not what was signed, its content changed",
                "what runs here goes on running; copy it again",
            )
        flush(part)
        part.replace(whole)
        flush(folder)
    return whole


def _trusted(client: Client, carrier: Carrier, clock: Clock) -> Trusted:
    try:
        root = read_at_most(client.root, _ROOT_LIMIT)
    except OSError as error:
        raise unreadable(client.root, error) from error
    check_root(root, str(client.root))
    with refusals(carrier.shown, clock), clear_disk_errors(client.tuf):
        private_folder(client.tuf)
        return trusted_targets(root, client.tuf, carrier, clock)


def _forgotten(offered: Offered, trusted: Trusted) -> frozenset[int]:
    """Numbers of releases here that count no longer.

    Other keys than those that are trusted now stood behind these, and what is signed now has no such release.
    """
    before = offered.by_others(trusted.keys)
    signed = {
        (release.number, release.bundle_id)
        for name, target in trusted.targets.items()
        if _number(name) in before
        for release in (from_custom(target.custom, name),)
    }
    return frozenset(number for number, bundle_id in before.items() if (number, bundle_id) not in signed)


def _number(name: str) -> int | None:
    """Of the release that a target is of; None of what is none."""
    parts = _NAME.fullmatch(name)
    return None if parts is None else int(parts[1])


def _offer(name: str, target: TargetFile, carrier: Carrier, forgotten: frozenset[int]) -> Offer:
    release = from_custom(target.custom, name)
    sha256 = target.hashes.get("sha256")
    if sha256 is None:
        raise TbftError(f"'{name}' is signed without its sha256", "release it again, on a host of this version")
    return Offer(release, name, target.length, sha256, carrier, forgotten)


def _check_space(offer: Offer, part: Path) -> None:
    """Before anything is written: a full disk starves everything else on a board."""
    disk, needed = disk_of(part.parent), offer.bytes - _length(part)
    if disk is not None and needed > disk.free:
        raise TbftError(
            f"no space left on the disk for '{offer.name}': {needed / 1e6:,.1f} MB are missing of it, "
            f"and {disk.free / 1e6:,.1f} MB are free",
            "free some space; what runs here goes on running",
        )


def _download(offer: Offer, part: Path) -> None:
    """Append to `part` what is missing, in several goes where the connection is cut; more than was signed never."""
    shown = offer.carrier.shown
    failed: OSError | None = None
    for _ in range(_TRIES):
        before = _length(part)
        if before >= offer.bytes:
            return
        failed = _go_on(offer, part)
        if failed is None or _length(part) <= before:
            break
    have = _length(part)
    if have >= offer.bytes:
        return
    if isinstance(failed, FileNotFoundError):
        raise TbftError(
            f"'{shown}' is no whole repository of a fleet: '{offer.name}' is not there",
            "copy it again; what runs here goes on running",
        )
    why = "it ends early" if failed is None else failed.strerror or str(failed)
    raise TbftError(
        f"the download from '{shown}' was cut at {have:,} of {offer.bytes:,} bytes ({why})",
        "do the same again: it goes on from there; a copy that is cut has to be copied again",
    )


def _go_on(offer: Offer, part: Path) -> OSError | None:
    """One go; returns what ended it early, if that was no end of the file."""
    with part.open("ab") as file:
        try:
            start, pieces = _pieces(offer, file.tell())
            file.truncate(start)
            left = offer.bytes - start
            for piece in pieces:
                file.write(piece[:left])
                left -= len(piece)
                if left <= 0:
                    break
        except _CutError as cut:
            return cut.reason
    return None


class _CutError(Exception):
    """The carrier failed, and not the disk that is written to."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _pieces(offer: Offer, start: int) -> tuple[int, Iterator[bytes]]:
    try:
        begun, pieces = offer.carrier.pieces(f"{TARGETS}{offer.sha256}.{offer.name}", start)
    except OSError as error:
        raise _CutError(error) from error
    return begun, _arriving(pieces)


def _arriving(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except OSError as error:
        raise _CutError(error) from error


def _length(part: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return part.stat().st_size
    return 0


def _has(path: Path, offer: Offer) -> bool:
    """Whether a file is what was signed."""
    return _length(path) == offer.bytes and file_entry(path).sha256 == offer.sha256
