"""Living17 is the published one, drawn from the hierarchy or taken from the table, and its pictures are found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.fake_data_sets import write_hierarchy, write_pictures
from support.living_things import LEAVES
from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.breeds import Superclass, read_hierarchy, superclasses
from tbft_edge.reproduce.datasets.living17 import SIDE, check_hierarchy, load_living17
from tbft_edge.reproduce.datasets.living17_table import LIVING17

SMALL = (
    Superclass("n1", "ant", ("n11", "n12"), ("n13", "n14")),
    Superclass("n2", "bee", ("n24", "n22"), ("n23", "n21")),
)
WNIDS = ["n11", "n12", "n13", "n14", "n21", "n22", "n23", "n24"]


def test_the_table_is_a_task() -> None:
    """17 superclasses in the order of their IDs, two and two subclasses each, none twice."""
    assert [row.wnid for row in LIVING17] == sorted(LEAVES)
    assert all(len(row.source) == len(row.target) == 2 for row in LIVING17)
    every = [wnid for row in LIVING17 for wnid in (*row.source, *row.target)]
    assert len(set(every)) == 17 * 4
    assert all({*row.source, *row.target} <= set(LEAVES[row.wnid]) for row in LIVING17)


def test_the_published_draw_is_drawn_again(tmp_path: Path) -> None:
    """The same seed over the same classes gives the published subclasses in their order; other nodes are left out."""
    write_hierarchy(tmp_path, LEAVES)
    check_hierarchy(tmp_path)
    drawn = superclasses(read_hierarchy(tmp_path), level=5, ancestor="n00004258", subclasses=4)
    assert [(row.wnid, row.source, row.target) for row in drawn] == [
        (row.wnid, row.source, row.target) for row in LIVING17
    ]
    assert drawn[0].name == "name of n01629276, alias"


def test_another_hierarchy_is_noticed(tmp_path: Path) -> None:
    """ImageNet's own hierarchy, say, gives another task under the same name."""
    write_hierarchy(tmp_path, LEAVES | {"n02484322": LEAVES["n02484322"][:-1]})
    with pytest.raises(TbftError, match="does not give Living17: n02484322 differ") as caught:
        check_hierarchy(tmp_path)
    assert "MadryLab/BREEDS-Benchmarks" in caught.value.hint


def test_levels_take_the_longest_way(tmp_path: Path) -> None:
    """A node that is reached by two ways lies as deep as the longer one, and classes are counted once."""
    (tmp_path / "class_hierarchy.txt").write_text("r a\na b\nr b\nb l1\na c\nc l1\nc l2\n")
    (tmp_path / "node_names.txt").write_text("r\troot\n")
    (tmp_path / "dataset_class_info.json").write_text(json.dumps([[0, "l1", "one"], [1, "l2", "two"]]))
    hierarchy = read_hierarchy(tmp_path, root="r")
    assert {node: hierarchy.levels[node] for node in "abc"} == {"a": 1, "b": 2, "c": 2}
    assert hierarchy.leaves_below("a") == ["l1", "l2"]
    assert hierarchy.leaves_below("l1") == ["l1"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("class_hierarchy.txt", "a b c\n", "'a b c' in .* is not two words"),
        ("class_hierarchy.txt", "n00001740 x\nx y\ny x\ny n11\n", "goes in a circle"),
        ("class_hierarchy.txt", b"\xff\xfe", "cannot be read"),
        ("node_names.txt", "n1 without a tab\n", "is not two words"),
        ("dataset_class_info.json", "[[0, 1]]", r"no list of \[number, ID, name\]"),
        ("dataset_class_info.json", "[", r"no list of \[number, ID, name\]"),
    ],
)
def test_damaged_hierarchies(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    """Each ends in a line that names the file, none in an endless loop."""
    write_hierarchy(tmp_path, {"n1": WNIDS[:4]})
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TbftError, match=message):
        read_hierarchy(tmp_path)


def test_missing_hierarchy_files_are_named_together(tmp_path: Path) -> None:
    """The hint says which three files to download."""
    with pytest.raises(TbftError, match=r"has no class_hierarchy.txt, node_names.txt, dataset_class_info.json"):
        check_hierarchy(tmp_path)


@pytest.mark.parametrize(("root", "given"), [("train", "."), ("train", "train"), ("val", ".")])
def test_pictures_of_a_domain(tmp_path: Path, root: str, given: str) -> None:
    """Only the domain's subclasses, in the order of their names, with their superclass's label."""
    write_pictures(tmp_path / "imagenet" / root, WNIDS, 2)
    part = "val" if root == "val" else "train"
    images = load_living17(tmp_path / "imagenet" / given, "target", tmp_path / "cache", part, SMALL)
    assert images.images.shape == (8, SIDE, SIDE, 3)
    assert images.labels.tolist() == [0] * 4 + [1] * 4
    assert images.classes == ("ant", "bee")
    colours = images.images[:, SIDE // 2, SIDE // 2].astype(int)
    expected = np.array([WNIDS.index(wnid) for wnid in ("n13", "n14", "n21", "n23") for _ in range(2)])
    np.testing.assert_allclose(colours[:, 0], expected * 7 % 256, atol=4)


def test_a_picture_is_scaled_and_cut(tmp_path: Path) -> None:
    """The shorter side becomes 146 pixels and the middle 128 stay, as the library's 256 and 224."""
    write_pictures(tmp_path / "train", WNIDS, 1)
    picture = Image.new("RGB", (300, 146), (255, 255, 255))
    picture.paste((0, 0, 0), ((300 - 128) // 2, 9, (300 + 128) // 2, 9 + 128))
    picture.save(tmp_path / "train" / "n11" / "n11_0.JPEG", "PNG")  # ImageNet has one of these, too.
    images = load_living17(tmp_path, "source", tmp_path / "cache", table=SMALL)
    assert not images.images[0].any()


def test_pictures_are_decoded_once(tmp_path: Path) -> None:
    """Decoding takes minutes: a second experiment maps the file, and a changed picture is noticed."""
    write_pictures(tmp_path / "train", WNIDS, 1)
    decoded: list[int] = []

    def load() -> np.ndarray:
        decoded.append(0)
        return load_living17(
            tmp_path, "source", tmp_path / "cache", table=SMALL, on_image=lambda: decoded.append(1)
        ).images

    first = load()
    assert sum(decoded) == 4
    assert not first.flags.owndata
    np.testing.assert_array_equal(load(), first)
    assert sum(decoded) == 4
    Image.new("RGB", (130, 130), (0, 0, 0)).save(tmp_path / "train" / "n11" / "n11_0.JPEG")
    assert not load()[0].any()
    assert sum(decoded) == 8


def test_missing_classes_are_named_together(tmp_path: Path) -> None:
    """Without ImageNet the message says what it is missing, and where ImageNet is."""
    with pytest.raises(TbftError, match=r"has no pictures of n01630670, .* and 29 more") as caught:
        load_living17(tmp_path, "target", tmp_path / "cache")
    assert "image-net.org" in caught.value.hint
    assert not (tmp_path / "cache").exists()


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    """The task is the published one with every picture of a class, or it is none."""
    write_pictures(tmp_path / "train", WNIDS, 2)
    (tmp_path / "train" / "n12" / "n12_1.JPEG").write_bytes(b"nothing")
    with pytest.raises(TbftError, match=r"1 pictures of .* cannot be read: n12/n12_1.JPEG"):
        load_living17(tmp_path, "source", tmp_path / "cache", table=SMALL)
