"""Delta bundles: some tensors, laid over a parent, are the child byte for byte; nothing else is taken."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from support.bundles import ALL_DRIFTS, LAST, compiled, compiled_copy
from support.files import listing
from support.tars import END, MILLION, file, header, members, pack, pack_repeated, pax
from tbft_artifacts.archive import opened
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_fleet.merging.delta import RECORD, TENSORS, laid_over, packed
from tbft_fleet.merging.derive import derive
from tbft_runtime.training.begun import begun_from

PARENT = compiled(ALL_DRIFTS)


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose last layer is another; tests only read it."""
    folder = tmp_path_factory.mktemp("derived") / "child"
    own = load_file(PARENT / "weights.safetensors")
    derive(open_bundle(PARENT), {"fc.weight": own["fc.weight"] + 1, "fc.bias": own["fc.bias"]}, folder)
    return folder


@pytest.fixture(scope="module")
def delta(child: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = tmp_path_factory.mktemp("delta") / "delta.tar.gz"
    packed(PARENT, child, archive)
    return archive


def refusal(parent: Path, archive: Path, place: Path) -> str:
    """Why it is refused, in a line; nothing is left behind."""
    before = listing(place)
    with pytest.raises(TbftError) as caught:
        laid_over(open_bundle(parent), archive, place / "out")
    assert listing(place) == before
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value.message


def record(**changes: object) -> bytes:
    return json.dumps(
        {"format": 1, "parent": open_bundle(PARENT).manifest.bundle_id, "bundle_id": "0" * 64} | changes
    ).encode()


def tensors(**changes: np.ndarray) -> bytes:
    return save(changes or {"fc.weight": load_file(PARENT / "weights.safetensors")["fc.weight"] + 1})


def test_the_child_comes_back_byte_for_byte(child: Path, delta: Path, tmp_path: Path) -> None:
    laid_over(open_bundle(PARENT), delta, tmp_path / "out")
    assert listing(tmp_path / "out") == listing(child)
    assert open_bundle(tmp_path / "out").manifest == open_bundle(child).manifest
    assert delta.stat().st_size < 1500


def test_whole_stages_and_statistics_come_back_too(blocks: list[Path], tmp_path: Path) -> None:
    """What a run learned; moments and kept images that go are gone on both sides. Archives are parents as well."""
    bundle = open_bundle(PARENT)
    derive(bundle, begun_from(bundle, blocks[0]).bundle.changed, tmp_path / "child.tar.gz")
    parent = pack(tmp_path / "parent.tar.gz", *members(PARENT), END)
    made = packed(parent, tmp_path / "child.tar.gz", tmp_path / "delta.tar.gz")
    with opened(parent) as base:
        laid_over(base, tmp_path / "delta.tar.gz", tmp_path / "out")
    assert open_bundle(tmp_path / "out").manifest.bundle_id == made.bundle_id
    assert open_bundle(tmp_path / "out").plan(LAST)
    assert (tmp_path / "delta.tar.gz").stat().st_size < (tmp_path / "child.tar.gz").stat().st_size / 4


def test_a_delta_of_a_delta(child: Path, delta: Path, tmp_path: Path) -> None:
    """Releases follow each other; each knows its own parent alone."""
    own = load_file(child / "weights.safetensors")
    derive(open_bundle(child), {"fc.bias": own["fc.bias"] - 2}, tmp_path / "second")
    packed(child, tmp_path / "second", tmp_path / "second.tar.gz")
    laid_over(open_bundle(PARENT), delta, tmp_path / "first")
    laid_over(open_bundle(tmp_path / "first"), tmp_path / "second.tar.gz", tmp_path / "out")
    assert listing(tmp_path / "out") == listing(tmp_path / "second")
    assert "is to be laid over bundle" in refusal(PARENT, tmp_path / "second.tar.gz", tmp_path)


def test_what_is_no_child_is_carried_whole(child: Path, tmp_path: Path) -> None:
    """Another bundle, the parent itself, and a child whose manifest says more than its weights are."""
    renamed = compiled_copy(
        ALL_DRIFTS, tmp_path / "renamed", model="other", parent=open_bundle(PARENT).manifest.bundle_id
    )
    for other in (compiled("output-frozen"), PARENT, renamed):
        with pytest.raises(TbftError, match="has to be carried whole"):
            packed(PARENT, other, tmp_path / "delta.tar.gz")
    assert not (tmp_path / "delta.tar.gz").exists()
    with pytest.raises(TbftError, match="has to be carried whole"):
        packed(child, PARENT, tmp_path / "delta.tar.gz")


def test_changed_bytes_are_refused(delta: Path, tmp_path: Path) -> None:
    """Every bit counts: that of the archive by its checksum, whatever passes that by the id of what comes out."""
    content = bytearray(delta.read_bytes())
    for place in range(12, len(content), 37):
        changed = bytes(content[:place]) + bytes([content[place] ^ 4]) + bytes(content[place + 1 :])
        (tmp_path / "changed.tar.gz").write_bytes(changed)
        refusal(PARENT, tmp_path / "changed.tar.gz", tmp_path)
    for end in (0, 10, len(content) // 2, len(content) - 1):
        (tmp_path / "changed.tar.gz").write_bytes(content[:end])
        refusal(PARENT, tmp_path / "changed.tar.gz", tmp_path)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([file(RECORD, record()), file(TENSORS, tensors()), END], "and says 000000000000"),
        (
            [file(RECORD, record(parent="1" * 64)), file(TENSORS, tensors()), END],
            "is to be laid over bundle 111111111111",
        ),
        (
            [file(RECORD, record()), file(TENSORS, tensors(**{"fc.weight": np.zeros((1, 1), np.float32)})), END],
            "in shape (1, 1)",
        ),
        (
            [file(RECORD, record()), file(TENSORS, tensors(other=np.zeros(1, np.float32))), END],
            "'other', which it lacks",
        ),
        (
            [file(RECORD, record()), file(TENSORS, tensors(**{"fc.bias": np.full(4, np.inf, np.float32)})), END],
            "infinite or no number",
        ),
        ([file(RECORD, record()), file(TENSORS, b"\xff" * 100), END], "no safetensors file"),
        ([file(RECORD, b"{}"), file(TENSORS, tensors()), END], "cannot be read"),
        ([file(RECORD, record(format=2)), file(TENSORS, tensors()), END], "cannot be read"),
        ([file(RECORD, record(more=1)), file(TENSORS, tensors()), END], "cannot be read"),
        ([file(RECORD, record()), END], "is no delta"),
        ([END], "is no delta"),
        ([file(RECORD, record()), file(RECORD, record()), END], "which no delta does"),
        ([file(RECORD, record()), file(TENSORS, tensors()), file("manifest.json", b"{}"), END], "which no delta does"),
        ([file("../" + RECORD, record()), END], "which no delta does"),
        ([file("/etc/" + RECORD, record()), END], "which no delta does"),
        ([header(RECORD, kind=b"2", link="/etc/passwd"), END], "no plain file"),
        ([header(RECORD, kind=b"1", link=TENSORS), END], "no plain file"),
        ([header(RECORD, kind=b"5"), END], "which no delta does"),
        ([file(RECORD, record()), header(TENSORS, kind=b"S"), END], "sparse"),
        ([pax({"path": "../x"}), file(RECORD, record()), END], "which no delta does"),
        ([file(RECORD, b" " * 5000), END], "larger than it can be"),
        ([file(RECORD, record()), header(TENSORS, 1 << 40)], "larger than it can be"),
    ],
)
def test_archives_that_nobody_made_here_are_refused(parts: list[bytes], words: str, tmp_path: Path) -> None:
    """In a line, with nothing left behind, and before anything large is read."""
    assert words in refusal(PARENT, pack(tmp_path / "evil.tar.gz", *parts), tmp_path)


def test_bombs_are_refused_at_once(tmp_path: Path) -> None:
    """Thousands of millions of bytes that are packed in a few: behind the record, and behind the end."""
    bomb = pack_repeated(tmp_path / "bomb.tar.gz", file(RECORD, record()) + header(TENSORS, 1 << 34), MILLION, 2000)
    assert "larger than it can be" in refusal(PARENT, bomb, tmp_path)
    whole = file(RECORD, record()) + file(TENSORS, tensors()) + END
    behind = pack_repeated(tmp_path / "behind.tar.gz", whole, MILLION, 2000)
    assert "something follows its end" in refusal(PARENT, behind, tmp_path)


def test_a_bundle_is_no_delta(tmp_path: Path) -> None:
    archive = pack(tmp_path / "bundle.tar.gz", *members(PARENT), END)
    assert "'manifest.json', which no delta does" in refusal(PARENT, archive, tmp_path)
    assert "does not exist" in refusal(PARENT, tmp_path / "nowhere", tmp_path)
