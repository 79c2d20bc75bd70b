"""What tests of a device start from."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import fleets
from support.fleet_devices import ACCURATE, GOOD, OTHER, Board, Shelf, joined, own_images
from tbft_fleet.device.place import Place
from tbft_fleet.host.folder import Fleet


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """A device that joined, has labelled images of its own, and took no release yet."""
    place = joined(tmp_path / "state", own_images(tmp_path / "own"))
    return Board(place, Shelf(tmp_path / "shelf"))


@pytest.fixture(scope="session")
def began(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """A device on which release 1 runs, and 2 is there to be taken; tests copy its folder."""
    folder = tmp_path_factory.mktemp("began")
    board = Board(joined(folder / "state", own_images(folder / "own")), Shelf(folder / "shelf"))
    board.shelf.add(GOOD, 1)
    board.pull()
    board.shelf.add(OTHER, 2, ACCURATE)
    return board


@pytest.fixture
def running(began: Board, tmp_path: Path) -> Board:
    shutil.copytree(began.place.folder, tmp_path / "state", symlinks=True)
    shelf = Shelf(tmp_path / "shelf", list(began.shelf.offers))
    return Board(Place(tmp_path / "state"), shelf, list(began.outbox))


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    """Its one release is an archive of `CONTENT`."""
    fleet = fleets.new_fleet(tmp_path / "fleet")
    fleets.publish(fleet, fleets.CONTENT)
    return fleet


@pytest.fixture
def device(fleet: Fleet, tmp_path: Path) -> fleets.Device:
    """It looks at that fleet."""
    return fleets.joined(fleet, tmp_path / "pi")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tbft-edge-test", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("a small disk was not tried: mounting one takes root")
    yield place
    subprocess.run(["umount", str(place)], check=True)
