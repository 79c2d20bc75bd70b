"""A disk that is full, wherever an update writes: what runs goes on running, and the next pull goes on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from support.fleet_devices import GOOD, OTHER, Board, Shelf, here, joined
from support.fleets import new_fleet
from support.prometheus import unheard
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_fleet.device import stage as staging
from tbft_fleet.device.ongoing import Ongoing
from tbft_fleet.device.outbox import put
from tbft_fleet.device.repository import repository
from tbft_fleet.device.states import State
from tbft_fleet.device.update import pull
from tbft_fleet.files.result import Health

UNDER_WAY = [State.STAGE, State.SWITCH, State.GATE, State.COMMIT]


def answers(board: Board) -> int:
    """The release that runs; its bundle is whole."""
    number = board.place.current()
    open_bundle(board.place.bundle(number))
    open_bundle(board.place.link)
    return number


def test_a_disk_that_is_full_while_staging_keeps_what_runs(running: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    unpack = staging.unpack

    def full(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(staging, "unpack", full)
    with pytest.raises(TbftError, match="no space left"):
        running.pull()
    assert answers(running) == 1
    assert running.place.releases.numbers() == [1]
    monkeypatch.setattr(staging, "unpack", unpack)
    assert [each.outcome for each in running.pull()] == ["committed"]


def fill(disk: Path, left: int) -> None:
    """But for so many bytes."""
    free = os.statvfs(disk)
    (disk / "rest").write_bytes(b"\0" * (free.f_bavail * free.f_frsize - left))


def test_a_small_disk_is_full_for_real(small_disk: Path, tmp_path: Path) -> None:
    board = Board(joined(small_disk / "state"), Shelf(tmp_path / "shelf"))
    board.shelf.add(GOOD, 1)
    board.pull()
    fill(small_disk, 160 << 10)
    board.shelf.add(OTHER, 2)
    with pytest.raises(TbftError, match="no space left"):
        board.pull()
    assert answers(board) == 1
    assert not list(board.place.releases.folder.glob(".*"))
    (small_disk / "rest").unlink()
    assert [each.outcome for each in board.pull()] == ["committed"]


def test_a_small_disk_is_full_where_a_bundle_that_lies_there_is_copied(small_disk: Path, tmp_path: Path) -> None:
    """Nothing is fetched when a host goes back to what a device has; room it takes all the same."""
    board = Board(joined(small_disk / "state"), Shelf(tmp_path / "shelf"))
    for number, name in enumerate((GOOD, OTHER), start=1):
        board.shelf.add(name, number)
        board.pull()
    fill(small_disk, 60 << 10)
    board.shelf.add(GOOD, 3)
    with pytest.raises(TbftError, match=r"no space left in .* to stage release 3"):
        board.pull()
    assert answers(board) == 2
    (small_disk / "rest").unlink()
    assert [each.outcome for each in board.pull()] == ["committed"]


@pytest.mark.parametrize("state", UNDER_WAY)
def test_a_disk_that_fills_up_at_any_moment_is_one_line_and_the_next_pull_goes_on(
    small_disk: Path, tmp_path: Path, state: State
) -> None:
    """Whatever is to be written then: what an update is at, the pointer, the link, or the release itself."""
    board = Board(joined(small_disk / "state"), Shelf(tmp_path / "shelf"))
    board.shelf.add(GOOD, 1)
    board.pull()
    board.shelf.add(OTHER, 2)

    def tell(ongoing: Ongoing) -> None:
        if ongoing.state is state:
            fill(small_disk, 0)

    with pytest.raises(TbftError, match="no space left") as caught:
        list(pull(board.place, board.shelf, board.put, tell, here))
    assert "\n" not in caught.value.message
    assert answers(board) in (1, 2)
    # What passed its gates is what the link leads to.
    assert board.place.link.resolve() == board.place.bundle(2 if state is State.COMMIT else 1).resolve()
    (small_disk / "rest").unlink()
    assert [each.outcome for each in board.pull()] == ["committed"]
    assert answers(board) == 2
    assert not list(board.place.folder.rglob(".*.tmp"))


def test_a_disk_that_is_full_for_metadata_and_results_is_one_line(small_disk: Path, tmp_path: Path) -> None:
    """Nothing new is looked for, and nothing is told; what runs runs on."""
    board = Board(joined(small_disk / "state"), Shelf(tmp_path / "shelf"))
    board.shelf.add(GOOD, 1)
    board.pull()
    fleet = new_fleet(tmp_path / "host")
    board.place.root.write_bytes(fleet.root.read_bytes())
    fill(small_disk, 0)
    source = repository(board.place, str(fleet.repository.folder), unheard, ahead=False)
    for act in (source.newest, lambda: put(board.place, Health(runtime="0.1.0"))):
        with pytest.raises(TbftError, match="no space left"):
            act()
    assert answers(board) == 1
    (small_disk / "rest").unlink()
    assert source.newest() is None
    assert put(board.place, Health(runtime="0.1.0")).name == "000001"
