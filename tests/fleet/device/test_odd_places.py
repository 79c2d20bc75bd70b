"""Where a device's folder lies, and what its releases come from, may be odd: one line, or as anywhere else."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.commands import Ended
from support.damages import DAMAGES
from support.fleet_devices import GOOD, OTHER, Board, Shelf, joined
from support.fleets import Device, new_fleet, publish
from support.fleets import joined as client_of
from tbft_artifacts.errors import TbftError
from tbft_fleet.device.carrier import Folder
from tbft_fleet.device.labels import labels_of
from tbft_fleet.device.place import Place
from tbft_fleet.host.folder import Fleet


def test_a_folder_behind_a_link_is_one_like_others(tmp_path: Path) -> None:
    """Such as one on a larger disk."""
    joined(tmp_path / "large disk" / "state")
    (tmp_path / "state").symlink_to("large disk/state")
    board = Board(Place(tmp_path / "state"), Shelf(tmp_path / "shelf"))
    for number, name in enumerate((GOOD, OTHER), start=1):
        board.shelf.add(name, number)
        assert [each.outcome for each in board.pull()] == ["committed"]
    assert board.place.link.resolve() == tmp_path / "large disk" / "state" / "releases" / "000002" / "bundle"
    assert labels_of(board.place.link)["release"] == "2"


def test_a_folder_that_cannot_be_written_is_one_line(
    small_disk: Path, tmp_path: Path, command: Callable[..., Ended]
) -> None:
    """A card that gave up is read only from then on; the link still leads to what runs."""
    board = Board(joined(small_disk / "state"), Shelf(tmp_path / "shelf"))
    board.shelf.add(GOOD, 1)
    board.pull()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    stick = tmp_path / "stick"
    new_fleet(stick)
    for arguments in (["pull", board.place.folder, "--from", stick / "repository"], ["report", board.place.folder]):
        ended = command("fleet", *arguments)
        assert ended.code == 2
        assert "Read-only file system" in ended.err.splitlines()[0]
        assert len(ended.err.splitlines()) <= 3
    assert board.place.link.resolve() == board.place.bundle(1)
    assert board.place.current() == 1


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    fleet = new_fleet(tmp_path / "fleet")
    publish(fleet, bytes(300_000))
    return fleet


class Pulled(Folder):
    """A stick that is there until so many pieces were read of it."""

    left, number = 0, errno.EIO

    def pieces(self, name: str, start: int = 0) -> tuple[int, Iterator[bytes]]:
        begun, pieces = super().pieces(name, start)
        return begun, self._until(pieces)

    def _until(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if type(self).left <= 0:
                raise OSError(self.number, os.strerror(self.number), str(self.folder))
            type(self).left -= 1
            yield piece


def taken(device: Device, carrier: Folder) -> tuple[int, bytes] | TbftError:
    try:
        return device.take(carrier)
    except TbftError as error:
        return error


@pytest.mark.parametrize("number", [errno.EIO, errno.ENODEV, errno.ESTALE, errno.EACCES])
def test_a_stick_that_is_pulled_out_at_any_moment_is_one_line(
    fleet: Fleet, tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind each piece that it gives, metadata or archive; with the stick back it goes on."""
    device: Device = client_of(fleet, tmp_path / "pi")
    monkeypatch.setattr(Pulled, "number", number)
    for left in range(20):
        monkeypatch.setattr(Pulled, "left", left)
        came = taken(device, Pulled(fleet.repository.folder))
        if not isinstance(came, TbftError):
            break
        assert "\n" not in came.message + came.hint
        assert str(fleet.repository.folder) in came.message
    assert came == (1, bytes(300_000))
    assert left >= 5


@pytest.mark.parametrize("how", sorted(DAMAGES))
def test_metadata_that_a_card_damaged_are_fetched_again(fleet: Fleet, tmp_path: Path, how: str) -> None:
    """Each file that a device keeps of them, and of the time: what is new is taken all the same."""
    first = client_of(fleet, tmp_path / "first")
    first.take(fleet.repository.folder)
    publish(fleet, b"two")
    names = [path.relative_to(first.folder) for path in (first.folder / "tuf").rglob("*") if path.is_file()]
    assert len(names) > 3
    for index, name in enumerate((*names, Path("clock.json"))):
        copy = Path(shutil.copytree(first.folder, tmp_path / f"copy-{index}", symlinks=True))
        (copy / name).write_bytes(DAMAGES[how]((copy / name).read_bytes()))
        device = Device(copy, copy / "root.json", current=1)
        assert device.take(fleet.repository.folder) == (2, b"two"), name
