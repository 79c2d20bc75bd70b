"""Data that differ are told apart: a hash that did not see a change would bring back outcomes of other images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tbft_artifacts.errors import TbftError
from tbft_edge.fingerprint import of_data


def make_tree(root: Path) -> Path:
    """Two classes with a picture each, with times of long ago."""
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        (root / name / "1.png").write_bytes(name.encode())
        os.utime(root / name / "1.png", (1000, 1000))
    return root


def grow(root: Path) -> None:
    (root / "cat" / "1.png").write_bytes(b"another")
    os.utime(root / "cat" / "1.png", (1000, 1000))


def touch(root: Path) -> None:
    os.utime(root / "cat" / "1.png", (1000, 2000))


def rename(root: Path) -> None:
    (root / "cat" / "1.png").rename(root / "cat" / "2.png")


def remove(root: Path) -> None:
    (root / "dog" / "1.png").unlink()


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("change", [grow, touch, rename, remove])
def test_every_change_of_a_folder_counts(tmp_path: Path, change: Callable[[Path], None], *, linked: bool) -> None:
    """Also behind a link: ImageNet's `train` often is one."""
    root = make_tree(tmp_path / "there")
    data = tmp_path / "data"
    data.mkdir()
    if linked:
        (data / "train").symlink_to(root)
    else:
        root = root.rename(data / "train")
    before = of_data(data)
    assert of_data(data) == before
    change(root)
    assert of_data(data) != before


def test_the_name_of_a_plain_tree_never_changes(tmp_path: Path) -> None:
    """Kept outcomes are found under it: names, sizes and times in the order of the paths."""
    root = make_tree(tmp_path)
    lines = [f"{name}/1.png\0{3}\0{1000 * 10**9}\0" for name in ("cat", "dog")]
    assert of_data(root) == hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "data")
    (root / "cat" / "again").symlink_to(root)
    assert of_data(root) == of_data(root)


def test_data_that_are_not_there_are_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(TbftError, match="cannot be read"):
        of_data(tmp_path / "none")
