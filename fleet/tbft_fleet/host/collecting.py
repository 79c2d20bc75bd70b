"""Look through folders that a carrier filled, and take all results that can be taken."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import unreadable
from tbft_artifacts.words import printable
from tbft_fleet.files.result import ENVELOPE
from tbft_fleet.host.inbox import Accepted, Inbox

# A stick holds folders of devices, each with one per result, perhaps in a folder of its own.
_DEPTH = 4


class Refused(msgspec.Struct, frozen=True):
    """The folder of a result that was not taken, and why."""

    folder: str
    why: str


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the results in some folders: of devices, with their numbers; those that were there; the others."""

    taken: tuple[Accepted, ...]
    already_there: int
    refused: tuple[Refused, ...]


def collect(inbox: Inbox, places: Iterable[Path], at: str) -> Collected:
    """Take every result in `places`, the oldest of each device first. Raises TbftError where a place is no folder."""
    taken, there, refused = [], 0, []
    with inbox.devices.held():
        for folder in (folder for place in places for folder in results_in(place)):
            try:
                accepted = inbox.accept(folder, at)
            except TbftError as error:
                refused.append(Refused(printable(folder), error.message))
                continue
            if accepted.is_new:
                taken.append(accepted)
            else:
                there += 1
    return Collected(taken=tuple(taken), already_there=there, refused=tuple(refused))


def results_in(place: Path) -> Iterator[Path]:
    """The folders of results in a folder, or it alone if it is one. No link is followed."""
    if not place.is_dir():
        raise TbftError(f"'{place}' is no folder", "give one that holds results, such as a device's outbox")
    yield from _below(place, _DEPTH)


def _below(folder: Path, depth: int) -> Iterator[Path]:
    if os.path.lexists(folder / ENVELOPE):
        yield folder
        return
    try:
        with os.scandir(folder) as entries:
            # What begins with a dot is still being copied.
            names = [each.name for each in entries if each.is_dir(follow_symlinks=False) and each.name[0] != "."]
    except OSError as error:
        if depth == _DEPTH:
            raise unreadable(folder, error) from error
        # Whoever tries to take it says why that cannot be.
        yield folder
        return
    if depth:
        # Numbers by what they count: 999999 before 1000000.
        for name in sorted(names, key=lambda name: (len(name) if name.isdecimal() else 0, name)):
            yield from _below(folder / name, depth - 1)
