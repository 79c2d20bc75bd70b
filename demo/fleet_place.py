"""Where each thing lies that the fleet's demo makes: on its host, and on its boards."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from surroundings import Surroundings

DEMO = Path(os.path.relpath(Path(__file__).parent))
MARKER = ".made-by-tbft-edge-fleet-demo"
# Which group each board is of. What digits mean changes at the porch alone.
PORCH, GARDEN = "porch", "garden"
GROUPS = {"pi1": PORCH, "pi2": PORCH, "pi3": GARDEN}
BOARDS = tuple(GROUPS)


@dataclass(frozen=True)
class Place(Surroundings):
    """`device` is the environment with Flower: what host and boards run, but for the export."""

    @property
    def tool(self) -> Path:
        """`tbft-edge` of the host and of each board."""
        return self.device / "bin" / "tbft-edge"

    @property
    def data(self) -> Path:
        return self.out / "data"

    @property
    def held_out(self) -> Path:
        """Digits that no board has, as they are meant at first."""
        return self.data / "held-out.npz"

    @property
    def held_out_renamed(self) -> Path:
        """The same, as they are meant later."""
        return self.data / "held-out-renamed.npz"

    @property
    def boards(self) -> Path:
        """Folders that stand for boards, and what Ansible is told of them."""
        return self.out / "boards"

    @property
    def logs(self) -> Path:
        """What processes say that nobody waits for."""
        return self.out / "logs"

    @property
    def fleet(self) -> Path:
        return self.out / "fleet"

    @property
    def bundle(self) -> Path:
        return self.out / "digits.tar.gz"

    @property
    def page(self) -> Path:
        return self.out / "fleet.html"

    def photos(self, board: str) -> Path:
        """Labelled photos of a board's own, which never leave it."""
        return self.boards / board / "photos.npz"

    def give_photos(self, board: str, meaning: str) -> None:
        """Put a board's own photos onto it, as they are meant now."""
        shutil.copy(self.data / meaning / f"{board}.npz", self.photos(board))


def prepare(place: Place) -> None:
    """Make the output folder, or remove from it what an earlier run of the demo wrote, and nothing else."""
    place.claim(MARKER)
    for folder in (place.data, place.boards, place.logs, place.fleet, place.out / "mixed-up"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (place.bundle, place.page, place.out / "mixed-up.tar.gz", place.out / "renamed.tar.gz"):
        file.unlink(missing_ok=True)
    for folder in (place.data, place.boards, place.logs):
        folder.mkdir()
