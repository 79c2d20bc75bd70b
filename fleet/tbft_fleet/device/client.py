"""A device looks for a release that is newer than its own, among those that TUF vouches for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuf.api.metadata import TargetFile

from tbft_artifacts.atomic import clear_disk_errors
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.rights import private_folder
from tbft_fleet.device.carrier import Carrier
from tbft_fleet.device.clock import Clock, wall_clock
from tbft_fleet.device.offered import Offered, is_above
from tbft_fleet.device.refusals import refusals
from tbft_fleet.device.trusted import ROOT_LIMIT, Trusted, check_root, trusted_targets
from tbft_fleet.files.release import NewerRuntimeError, Release, from_custom
from tbft_fleet.files.waves import is_open

_NAME = re.compile(r"release-([0-9]{6,10})(\.delta-[0-9a-f]{12})?\.tar\.gz")


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

    `say` is told of a newer one that is not taken, and why: its wave has not come, it did not pass here, or it needs a
    newer version of this package. Raises TbftError in one line for whatever TUF refuses, for a carrier that cannot be
    read, and for a full disk.
    """
    trusted, offered = _trusted(client, carrier, say), Offered(client.offered)
    forgotten = _forgotten(offered, trusted)
    if client.current in forgotten:
        say(
            f"release {client.current} runs here, and no key that this fleet trusts now stands behind it: "
            "any other release takes its place"
        )
    found: dict[int, list[Offer]] = {}
    left: dict[int, str] = {}

    def is_newer(number: int) -> bool:
        return is_above(number, client.current, forgotten)

    for number, offer in _offers(trusted, carrier, forgotten, is_newer):
        if isinstance(offer, NewerRuntimeError):
            left[number] = f"{offer.message}; {offer.hint}"
            continue
        reason = why_not(client, offer.release, forgotten)
        if reason is None:
            found.setdefault(number, []).append(offer)
        elif client.group in offer.release.groups and offer.release.parent is None:
            left[number] = reason
    # What is older than what is taken is nobody's business any more.
    last = max(left, default=0)
    if last > max(found, default=0):
        say(f"release {last} is not taken: {left[last]}")
    if not found:
        return None
    newest = min(found[max(found)], key=lambda offer: offer.bytes)
    offered.keep(newest.release, trusted.keys, {client.current, client.tried})
    return newest


def withdrew(client: Client, carrier: Carrier, number: int, say: Callable[[str], None]) -> bool:
    """Whether the host withdrew a release that it had offered. Raises TbftError as `newest`."""
    offers = _offers(_trusted(client, carrier, say), carrier, frozenset(), lambda each: each == number)
    return any(isinstance(offer, Offer) and offer.release.percent == 0 for _, offer in offers)


def why_not(client: Client, release: Release, forgotten: frozenset[int]) -> str | None:
    """Why a release is not for a device, where numbers that are `forgotten` do not count; None if it is."""
    if client.group not in release.groups:
        return f"it is for {' and '.join(release.groups)}, and this device is of {client.group}"
    if release.percent == 0:
        return "the host withdrew it"
    if not client.ahead and not is_open(release, client.id):
        return f"its wave has not come: it goes to {release.percent} % of the devices, and this one is not among them"
    if not is_above(release.number, client.current, forgotten):
        return f"release {client.current} runs here, and the number of a newer one is higher"
    if release.number in client.refused - forgotten:
        return "it did not pass on this device before"
    if release.parent is not None and release.parent not in client.bundles:
        return f"bundle {release.parent[:12]}, over which it has to be laid, is not here"
    return None


def _offers(
    trusted: Trusted, carrier: Carrier, forgotten: frozenset[int], wanted: Callable[[int], bool]
) -> Iterator[tuple[int, Offer | NewerRuntimeError]]:
    """The releases whose numbers are `wanted`, each with it, or why this version of the package cannot read it."""
    for name, target in trusted.targets.items():
        number = _number(name)
        if number is None or not wanted(number):
            continue
        try:
            yield number, _offer(name, target, carrier, forgotten)
        except NewerRuntimeError as error:
            yield number, error


def _trusted(client: Client, carrier: Carrier, say: Callable[[str], None]) -> Trusted:
    clock = Clock(client.clock, wall_clock())
    if not clock.is_known:
        say(
            f"the clock of this device is not set: it says {clock.wall:%Y-%m-%d}; "
            "whether metadata expired is judged by the newest time that the host signed"
        )
    try:
        root = read_at_most(client.root, ROOT_LIMIT)
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
