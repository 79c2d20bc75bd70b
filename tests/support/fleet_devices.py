"""Devices of a fleet for tests, and releases that come from no repository."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from support.agents import NO_BOARD, packed
from support.bundles import compiled, read_manifest
from support.fleets import new_fleet
from support.toys import OLD_COLOURS, coloured_squares, save_folders
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.apart import Question
from tbft_fleet.device.gates import check
from tbft_fleet.device.join import join
from tbft_fleet.device.judged import Judged
from tbft_fleet.device.ongoing import Ongoing
from tbft_fleet.device.place import Place
from tbft_fleet.device.update import Ended, pull
from tbft_fleet.files.gates import Gates
from tbft_fleet.files.release import Release
from tbft_fleet.files.result import Update

# Bundles that know the images of `own_images`, and one whose network never learned anything.
GOOD, OTHER, BAD = "kept", "kept-adapt", "all-drifts"

# Those of a board that is no part of what is tested take a second.
NO_GATES = Gates(doctor=False, required=())
ACCURATE = Gates(doctor=False, accuracy=0.9, required=("accuracy",))


def own_images(folder: Path, count: int = 24) -> Path:
    """Labelled pictures such as the networks of `GOOD` and `OTHER` know."""
    images, labels = coloured_squares(count, colours=OLD_COLOURS)
    return save_folders(folder, images, labels)


def joined(folder: Path, images: Path | None = None) -> Place:
    """A device that takes releases from nowhere."""
    root = new_fleet(folder.with_name("fleet")).root
    return join(folder, root, "pi-7", "porch", str(folder.with_name("stick")), images, NO_BOARD)


def release_of(name: str, number: int, gates: Gates = NO_GATES, percent: int = 100) -> Release:
    manifest = read_manifest(compiled(name))
    return Release(
        number=number,
        bundle_id=manifest.bundle_id,
        groups=("porch",),
        percent=percent,
        minimum_runtime=manifest.minimum_runtime,
        gates=gates,
    )


@dataclass(frozen=True)
class Offered:
    release: Release
    archive: Path
    forgotten: frozenset[int] = frozenset()


@dataclass
class Shelf:
    """A `Source`: what was put there is trusted; `fails` is what it says instead of giving anything."""

    folder: Path
    offers: list[Offered] = field(default_factory=list)
    fails: TbftError | None = None
    fetched: int = 0
    withdrawn: set[int] = field(default_factory=set)

    def add(self, name: str, number: int, gates: Gates = NO_GATES) -> Offered:
        """A release of a compiled bundle."""
        self.folder.mkdir(exist_ok=True)
        found = Offered(release_of(name, number, gates), packed(name, self.folder / f"release-{number:06}.tar.gz"))
        self.offers.append(found)
        return found

    def newest(self, *, whole: bool = False) -> Offered | None:
        if self.fails is not None:
            raise self.fails
        known = [
            offer
            for offer in self.offers
            if not (whole and offer.release.parent) and offer.release.number not in self.withdrawn
        ]
        # Of one release a delta is the better one.
        return max(known, key=lambda offer: (offer.release.number, offer.release.parent is not None), default=None)

    def withdrew(self, number: int) -> bool:
        if self.fails is not None:
            raise self.fails
        return number in self.withdrawn

    def fetch(self, offer: Offered, folder: Path) -> Path:
        if self.fails is not None:
            raise self.fails
        self.fetched += 1
        return shutil.copy(offer.archive, folder / offer.archive.name)


def here(question: Question) -> tuple[Judged, ...]:
    """Gates in this process, where starting another takes longer than they do."""
    before, images = (None if path is None else Path(path) for path in (question.before, question.images))
    return check(before, Path(question.after), question.gates, images, NO_BOARD)


@dataclass
class Board:
    """A device, where its releases come from, and what it told."""

    place: Place
    shelf: Shelf
    outbox: list[Update] = field(default_factory=list)
    accuracies: list[float | None] = field(default_factory=list)
    told: list[Ongoing] = field(default_factory=list)

    def put(self, update: Update, accuracy: float | None) -> None:
        self.outbox.append(update)
        self.accuracies.append(accuracy)

    def pull(self) -> list[Ended]:
        return list(pull(self.place, self.shelf, self.put, self.told.append, here))
