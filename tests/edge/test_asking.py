"""Which images of a folder are to be labelled."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.bundles import ALL_DRIFTS, CLASSES, compiled
from support.commands import Ended
from support.runs import Recorder
from support.toys import coloured_squares, save_folders
from tbft_artifacts.errors import TbftError
from tbft_runtime.diagnosis.asking import AskOptions, ask

IMAGES, LABELS = coloured_squares(60, seed=2)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in folders whose names say what is on them, which nobody may look at."""
    folder = tmp_path_factory.mktemp("asking") / "photos"
    save_folders(folder, IMAGES, LABELS)
    return folder


def test_it_names_files_of_every_kind(photos: Path) -> None:
    """Twice as many as there are classes name one of each at least; the same ones on two threads."""
    asked = ask(compiled(ALL_DRIFTS), AskOptions(photos, 2 * len(CLASSES), threads=1))
    assert asked.seen == len(IMAGES)
    assert all(Path(name).is_file() for name in asked.images)
    assert {Path(name).parent.name for name in asked.images} == set(CLASSES)
    assert ask(compiled(ALL_DRIFTS), AskOptions(photos, 2 * len(CLASSES), threads=2)) == asked


def test_labels_do_not_matter(photos: Path, tmp_path: Path) -> None:
    """An archive names places in it; more than there are is all of them."""
    for name, labels in (("with", LABELS), ("without", LABELS * 0 - 1)):
        np.savez(tmp_path / f"{name}.npz", images=IMAGES, labels=labels)
    found = [
        ask(compiled(ALL_DRIFTS), AskOptions(tmp_path / file, 3, threads=1)) for file in ("with.npz", "without.npz")
    ]
    places = [[image.partition("[")[2] for image in asked.images] for asked in found]
    assert places[0] == places[1]
    every = ask(compiled(ALL_DRIFTS), AskOptions(photos, 1000, threads=1))
    assert len(set(every.images)) == len(every.images) == len(IMAGES)


def test_damaged_pictures_are_told_of(tmp_path: Path) -> None:
    """And left out; of nothing but those nothing can be chosen. Nor from features that a bundle does not have."""
    save_folders(tmp_path / "some", IMAGES[:4], LABELS[:4])
    (tmp_path / "some" / "broken.jpg").write_bytes(b"nothing")
    recorder = Recorder()
    assert ask(compiled(ALL_DRIFTS), AskOptions(tmp_path / "some", 2, threads=1), recorder).seen == 4
    assert any("broken.jpg" in note for note in recorder.notes)
    for picture in (tmp_path / "some").rglob("*.png"):
        picture.unlink()
    with pytest.raises(TbftError, match="can be read"):
        ask(compiled(ALL_DRIFTS), AskOptions(tmp_path / "some", 2, threads=1))
    with pytest.raises(TbftError, match="no plan that trains its head alone"):
        ask(compiled("feature-frozen"), AskOptions(tmp_path / "some", 2, threads=1))


def test_the_command_prints_names_alone(command: Callable[..., Ended], photos: Path) -> None:
    """One a line, or a list as JSON; words are on stderr."""
    asked = ("diagnose", compiled(ALL_DRIFTS), "--data", photos, "--ask", "5", "--threads", "1")
    ended = command(*asked)
    assert ended.code == 0, ended
    names = ended.out.splitlines()
    assert len(names) == 5
    assert all(Path(name).is_file() for name in names)
    assert "these 5 stand for 60" in ended.err
    assert json.loads(command(*asked, "--json").out) == names
