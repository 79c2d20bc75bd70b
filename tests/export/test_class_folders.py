"""`--classes PHOTOS`: the classes of a model are the folders of its photos, in the order of a device's labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.bundles import read_manifest
from support.commands import Ended
from tbft_artifacts.input_shape import square_rgb
from tbft_artifacts.preprocessing import CenterCrop, Normalize, Resize
from tbft_runtime.data.folder import FolderSource
from tbft_runtime.data.preprocessing import Preprocessing

CLASSES = ("Zebra", "cat", "dog 2", "été")
EXPORT = ("export", "--model", "support.tiny_models:tiny", "--image-size", "8", "--drift", "output", "--new-head")
STEPS = (Resize(8), CenterCrop(8), Normalize((0.5,) * 3, (0.5,) * 3))


def photos(folder: Path) -> Path:
    """Two of each class, and what else lies in such folders."""
    rng = np.random.default_rng(0)
    for name in (*reversed(CLASSES), "unlabelled", ".hidden", "__MACOSX"):
        (folder / name).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(rng.integers(0, 255, (9, 9, 3), np.uint8)).save(folder / name / f"{number}.png")
    (folder / "notes.txt").touch()
    return folder


def test_the_classes_are_those_of_the_folder(tmp_path: Path, command: Callable[..., Ended]) -> None:
    folder = photos(tmp_path / "photos")
    ended = command(*EXPORT, "--classes", folder, "--out", tmp_path / "bundle")
    assert ended.code == 0, ended
    classes = read_manifest(tmp_path / "bundle").classes
    assert classes == CLASSES
    labels = FolderSource(folder, None, Preprocessing(STEPS, square_rgb(8))).labels
    np.testing.assert_array_equal(FolderSource(folder, classes, Preprocessing(STEPS, square_rgb(8))).labels, labels)


@pytest.mark.parametrize("inside", [(), ("unlabelled",)])
def test_a_folder_without_any_is_refused(
    tmp_path: Path, command: Callable[..., Ended], inside: tuple[str, ...]
) -> None:
    for name in ("photos", *(f"photos/{each}" for each in inside)):
        (tmp_path / name).mkdir()
    ended = command(*EXPORT, "--classes", tmp_path / "photos", "--out", tmp_path / "bundle")
    assert ended.code == 2
    assert f"--classes folder '{tmp_path / 'photos'}' holds no folders" in ended.err
    assert not (tmp_path / "bundle").exists()
