"""Data that cannot be used: one error line and a hint, exit code 2, and nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.commands import DEVICE, Step, run
from support.desk import refused_here
from support.toys import coloured_squares, png, save_folders, save_squares

IMAGES, LABELS = coloured_squares(8)

Data = Callable[[Path], Path]


def bad_labels(folder: Path) -> Path:
    np.savez(folder / "data.npz", images=IMAGES, labels=np.where(LABELS == 2, 7, LABELS))
    return folder / "data.npz"


def no_labels(folder: Path) -> Path:
    np.savez(folder / "data.npz", images=IMAGES)
    return folder / "data.npz"


def no_images(folder: Path) -> Path:
    (folder / "photos" / "ant").mkdir(parents=True)
    return folder / "photos"


def only_broken_images(folder: Path) -> Path:
    (no_images(folder) / "ant" / "broken.png").write_bytes(b"no picture")
    return folder / "photos"


def unknown_class(folder: Path) -> Path:
    return save_folders(folder / "photos", IMAGES, LABELS, ("ant", "bee", "cat", "wolf"))


def other_names(folder: Path) -> Path:
    np.savez(folder / "data.npz", images=IMAGES, labels=LABELS, classes=["bee", "ant", "cat", "dog"])
    return folder / "data.npz"


def grey_images(folder: Path) -> Path:
    np.savez(folder / "data.npz", images=IMAGES[..., 0], labels=LABELS)
    return folder / "data.npz"


def objects(folder: Path) -> Path:
    np.savez(folder / "data.npz", images=IMAGES, labels=np.array([None] * 8, object))
    return folder / "data.npz"


def damaged(folder: Path) -> Path:
    content = save_squares(folder / "data.npz").read_bytes()
    (folder / "data.npz").write_bytes(content[: len(content) // 2])
    return folder / "data.npz"


def missing(folder: Path) -> Path:
    return folder / "nowhere"


BAD_DATA: dict[str, tuple[Data, str]] = {
    "labels out of range": (bad_labels, "label 7 of item 2"),
    "no labels": (no_labels, "has a label"),
    "no images": (no_images, "no images"),
    "only broken images": (only_broken_images, "1 could not be read"),
    "unknown class": (unknown_class, "wolf"),
    "other class names": (other_names, "bee, ant, cat, dog"),
    "grey images": (grey_images, "(8, 8, 8)"),
    "pickled labels": (objects, "cannot be read"),
    "damaged file": (damaged, "cannot be read"),
    "missing data": (missing, "does not exist"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_training_data(case: str, bundle: Path, desk: Path, tmp_path: Path) -> None:
    """Refused before a run begins: the same --out can be used for the next try."""
    make, words = BAD_DATA[case]
    refusal = refused_here(desk, "train", bundle, "--data", make(tmp_path), "--out", desk / "run", "--epochs", "1")
    assert words in refusal.message


def test_bad_validation_data(bundle: Path, data: Path, desk: Path, tmp_path: Path) -> None:
    """What was prepared of --data is gone too."""
    refusal = refused_here(
        desk, "train", bundle, "--data", data, "--val", bad_labels(tmp_path), "--out", desk / "run", "--epochs", "1"
    )
    assert "label 7" in refusal.message


@pytest.mark.parametrize("case", ["labels out of range", "no labels", "no images", "missing data"])
def test_bad_evaluation_data(case: str, finalized: Step, desk: Path, tmp_path: Path) -> None:
    """The same words from `eval`."""
    make, _ = BAD_DATA[case]
    refused_here(desk, "eval", finalized.path, "--data", make(tmp_path))


def test_files_of_the_user_stay(bundle: Path, desk: Path, tmp_path: Path) -> None:
    """--out that holds other things, and a run that cannot start: what was there is there."""
    (desk / "run").mkdir()
    (desk / "run" / "notes.txt").write_text("mine")
    refused_here(desk, "train", bundle, "--data", bad_labels(tmp_path), "--out", desk / "run")


def test_names_cannot_forge_output(bundle: Path, desk: Path, tmp_path: Path) -> None:
    """A folder whose name holds a line break and a terminal's escape code stays inside one line."""
    evil = tmp_path / "photos" / "x\nerror: forged\x1b[31m"
    evil.mkdir(parents=True)
    (evil / "a.png").write_bytes(png(IMAGES[0]))
    ended = run(DEVICE, "train", bundle, "--data", tmp_path / "photos", "--out", desk / "run")
    assert ended.code == 2
    assert "\x1b" not in ended.err
    assert [line for line in ended.err.splitlines() if line.startswith("error: ")] == ended.err.splitlines()[:1]
