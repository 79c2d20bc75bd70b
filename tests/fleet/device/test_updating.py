"""An update from its offer to its end: what is taken, what runs, what goes back, and what the host hears."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from support.agents import packed
from support.bundles import compiled, compiled_copy, read_manifest
from support.fleet_devices import ACCURATE, BAD, GOOD, OTHER, Board, Offered, here
from support.tars import END, file, header, members, pack, pax
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import FileEntry
from tbft_fleet.device.ongoing import Ongoing
from tbft_fleet.device.states import State
from tbft_fleet.device.update import pull
from tbft_fleet.files.gates import Gates
from tbft_fleet.files.result import Update

STATES = [State.VERIFY, State.STAGE, State.SWITCH, State.GATE, State.COMMIT, State.COMMITTED]


def runs(board: Board) -> str:
    """The id of the bundle that whoever knows one path finds."""
    return open_bundle(board.place.link).manifest.bundle_id


def test_a_release_goes_through_every_state(board: Board) -> None:
    assert board.place.current() == 0
    offer = board.shelf.add(GOOD, 12, ACCURATE)
    (ended,) = board.pull()
    assert [ongoing.state for ongoing in board.told] == STATES
    assert (ended.release, ended.outcome, ended.why) == (12, "committed", None)
    assert [(each.gate, each.verdict) for each in ended.gates] == [
        ("load", "passed"),
        ("accuracy", "passed"),
        ("throttling", "not measurable"),
    ]
    assert board.place.current() == 12
    assert board.place.release(12) == offer.release
    assert runs(board) == offer.release.bundle_id
    assert board.outbox == [Update(release=12, outcome="committed")]
    assert list(board.place.incoming.iterdir()) == []


def test_nothing_new_is_nothing_to_do(board: Board) -> None:
    assert board.pull() == []
    board.shelf.add(GOOD, 1)
    board.pull()
    told = len(board.told)
    assert board.pull() == []
    assert (len(board.told), board.shelf.fetched) == (told, 1)


def test_the_one_before_stays_and_older_ones_go(board: Board) -> None:
    for number, name in enumerate((GOOD, OTHER, GOOD), start=1):
        board.shelf.add(name, number)
        board.pull()
    assert board.place.releases.numbers() == [2, 3]
    assert board.place.current() == 3


def test_a_release_that_is_worse_goes_back_and_is_not_tried_again(board: Board) -> None:
    good = board.shelf.add(GOOD, 1)
    board.pull()
    board.shelf.add(BAD, 2, ACCURATE)
    (ended,) = board.pull()
    assert ended.outcome == "rolled back"
    assert ended.why is not None
    assert "accuracy failed: " in ended.why
    assert board.place.current() == 1
    assert runs(board) == good.release.bundle_id
    assert board.place.releases.numbers() == [1]
    assert board.outbox[-1] == Update(release=2, outcome="rolled back", why=ended.why)
    assert board.pull() == []
    board.shelf.add(OTHER, 3, ACCURATE)
    assert [each.outcome for each in board.pull()] == ["committed"]


def test_what_gates_measured_is_told(board: Board) -> None:
    """Of what runs now: behind a roll back of the one before, where a gate measured that."""
    board.shelf.add(GOOD, 1)
    board.pull()
    board.shelf.add(BAD, 2, ACCURATE)
    board.pull()
    board.shelf.add(BAD, 3, Gates(doctor=False, drop=1, required=("drop",)))
    board.pull()
    assert [each.outcome for each in board.outbox] == ["committed", "rolled back", "rolled back"]
    assert board.accuracies == [1.0, None, 1.0]


def test_a_first_release_that_fails_leaves_nothing_to_run(board: Board) -> None:
    board.shelf.add(BAD, 1, ACCURATE)
    (ended,) = board.pull()
    assert ended.outcome == "rolled back"
    assert board.place.current() == 0
    assert not board.place.link.is_symlink()


def test_what_came_meanwhile_is_taken_at_once(board: Board) -> None:
    """A loop of one pull, not of a timer's hours."""
    board.shelf.add(GOOD, 1)

    def tell(ongoing: Ongoing) -> None:
        if (ongoing.number, ongoing.state) == (1, State.STAGE):
            board.shelf.add(OTHER, 2)

    found = pull(board.place, board.shelf, board.put, tell, here)
    assert [(each.release, each.outcome) for each in found] == [(1, "committed"), (2, "committed")]


def test_a_bundle_that_lies_here_is_not_carried_again(board: Board) -> None:
    """Such as one that the host goes back to, under a new number."""
    first = board.shelf.add(GOOD, 1)
    board.pull()
    board.shelf.add(OTHER, 2)
    board.pull()
    board.shelf.add(GOOD, 3)
    assert [each.outcome for each in board.pull()] == ["committed"]
    assert board.shelf.fetched == 2
    assert runs(board) == first.release.bundle_id


def test_an_archive_of_another_bundle_is_refused_for_good(board: Board) -> None:
    """The fleet's signature is on it, and the device can do nothing with it: the host hears why."""
    board.shelf.add(GOOD, 1)
    board.pull()
    offer = board.shelf.add(OTHER, 2)
    packed(BAD, offer.archive)
    (ended,) = board.pull()
    assert ended.outcome == "refused"
    assert board.place.current() == 1
    assert board.place.releases.numbers() == [1]
    assert board.outbox[-1].outcome == "refused"
    assert board.pull() == []


@pytest.mark.parametrize(
    "more",
    [
        file("predict.onnx", b""),
        file("../victim", b""),
        header("predict.onnx", kind=b"2", link="/etc/passwd"),
        b"\xff" * 999,
    ],
)
def test_an_archive_that_holds_what_no_bundle_does_is_refused_for_good(board: Board, more: bytes) -> None:
    """A name twice, one that leads out, a link in place of a file, rubbish: whoever signed it."""
    board.shelf.add(GOOD, 1)
    board.pull()
    offer = board.shelf.add(OTHER, 2)
    pack(offer.archive, more, *members(compiled(OTHER)), END)
    (ended,) = board.pull()
    assert ended.outcome == "refused"
    assert ended.why is not None
    assert "\n" not in ended.why
    assert board.place.releases.numbers() == [1]
    assert board.pull() == []
    assert not list(board.place.folder.rglob("victim"))


@pytest.mark.parametrize("name", ["predict.onnx/more", "n" * 300])
def test_a_bundle_whose_files_no_disk_holds_is_refused_and_not_tried_for_good(
    board: Board, tmp_path: Path, name: str
) -> None:
    """One below another one, and a name that is too long: it is not this disk that somebody could mend."""
    manifest = read_manifest(compiled(OTHER))
    entry = FileEntry(bytes=0, sha256=hashlib.sha256(b"").hexdigest())
    changed = compiled_copy(OTHER, tmp_path / "changed", files={**manifest.files, name: entry})
    board.shelf.add(GOOD, 1)
    board.pull()
    offer = board.shelf.add(OTHER, 2)
    release = msgspec.structs.replace(offer.release, bundle_id=read_manifest(changed).bundle_id)
    pack(offer.archive, *members(changed), pax({"path": name}), file("x", b""), END)
    board.shelf.offers[-1] = Offered(release, offer.archive)
    (ended,) = board.pull()
    assert ended.outcome == "refused"
    assert board.place.current() == 1
    assert board.pull() == []


def test_a_delta_without_its_parent_is_refused_in_one_line(board: Board) -> None:
    offer = board.shelf.add(GOOD, 1)
    board.shelf.offers = [Offered(msgspec.structs.replace(offer.release, parent="0" * 64), offer.archive)]
    (ended,) = board.pull()
    assert ended.outcome == "refused"
    assert ended.why is not None
    assert "000000000000" in ended.why
    assert "\n" not in ended.why


def test_where_a_delta_will_not_do_the_whole_bundle_does(board: Board) -> None:
    """Another version of this package may make other bytes of the same parent: no reason to refuse a release."""
    first = board.shelf.add(GOOD, 1)
    board.pull()
    whole = board.shelf.add(OTHER, 2)
    delta = msgspec.structs.replace(whole.release, parent=first.release.bundle_id)
    board.shelf.offers.append(Offered(delta, first.archive))
    assert [each.outcome for each in board.pull()] == ["committed"]
    assert board.place.release(2) == whole.release


def test_a_second_pull_says_that_the_first_is_at_work(board: Board) -> None:
    board.shelf.add(GOOD, 1)
    with board.place.taken(), pytest.raises(TbftError, match="another 'fleet pull'"):
        board.pull()
    assert [each.outcome for each in board.pull()] == ["committed"]


def test_a_folder_of_nobody_is_one_line(tmp_path: Path, board: Board) -> None:
    nobody = Board(type(board.place)(tmp_path), board.shelf)
    with pytest.raises(TbftError, match="no folder of a device"):
        nobody.pull()
