"""Releases that hold only what changed: laid over a bundle that lies on the device, and refused over any other."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from safetensors.numpy import load_file

from support.bundles import compiled
from support.files import listing
from support.fleet_devices import GOOD, OTHER, Board, Offered, release_of
from tbft_artifacts.bundle import open_bundle
from tbft_fleet.merging.delta import packed
from tbft_fleet.merging.derive import derive


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundle `GOOD` with another last layer, and beside it what that changed."""
    folder = tmp_path_factory.mktemp("derived")
    own = load_file(compiled(GOOD) / "weights.safetensors")
    derive(open_bundle(compiled(GOOD)), {"fc.bias": own["fc.bias"] + 0.01}, folder / "child")
    packed(compiled(GOOD), folder / "child", folder / "delta.tar.gz")
    return folder / "child"


def of_delta(child: Path, number: int, parent: str) -> Offered:
    release = msgspec.structs.replace(
        release_of(GOOD, number), bundle_id=open_bundle(child).manifest.bundle_id, parent=parent
    )
    return Offered(release, child.with_name("delta.tar.gz"))


def test_a_delta_becomes_the_whole_bundle(board: Board, child: Path) -> None:
    """It stays whole when its parent goes."""
    first = board.shelf.add(GOOD, 1)
    board.pull()
    board.shelf.offers.append(of_delta(child, 2, first.release.bundle_id))
    assert [each.outcome for each in board.pull()] == ["committed"]
    assert listing(board.place.bundle(2)) == listing(child)


def test_over_another_bundle_it_is_refused(board: Board, child: Path) -> None:
    """Also where the release says of the wrong one that it is the parent."""
    other = board.shelf.add(OTHER, 1)
    board.pull()
    board.shelf.offers.append(of_delta(child, 2, other.release.bundle_id))
    (ended,) = board.pull()
    assert ended.outcome == "refused"
    assert ended.why is not None
    assert "is to be laid over bundle" in ended.why
    assert board.place.current() == 1
    assert board.place.releases.numbers() == [1]
