"""Classes that are missing, or far rarer than others: said before it is trained, and beside the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.bundles import ALL_DRIFTS, CLASSES, compiled
from support.runs import Recorder, fine_tune
from support.toys import NO_LABEL, coloured_squares
from tbft_edge.facts.cautions import cautions
from tbft_runtime import DiagnoseOptions, diagnose, read_report
from tbft_runtime.data.balance import images_per_class, lacking, unequal


def save_uneven(path: Path, counts: tuple[int, ...]) -> Path:
    """Coloured squares, so many of each class."""
    images, labels = coloured_squares(4 * max(counts))
    chosen = np.concatenate([np.flatnonzero(labels == label)[:count] for label, count in enumerate(counts)])
    np.savez(path, images=images[chosen], labels=labels[chosen])
    return path


def test_images_without_a_label_count_nowhere() -> None:
    assert images_per_class(np.array([0, NO_LABEL, 2, 2]), 4) == (1, 0, 2, 0)


@pytest.mark.parametrize(
    ("counts", "missing", "odd"),
    [
        ((5, 5, 5, 5), None, None),
        ((15, 3, 3, 3), None, None),
        ((16, 3, 3, 3), None, "'ant' has 16 to train on, 'bee' only 3"),
        ((0, 9, 9, 9), "of 'ant':", None),
        ((0, 0, 40, 2), "of 'ant', 'bee':", "'cat' has 40 to train on, 'dog' only 2"),
        ((0, 0, 0, 0), None, None),
    ],
)
def test_what_is_said(counts: tuple[int, ...], missing: str | None, odd: str | None) -> None:
    """Of a class without images, and of one that has over five times those of another one that has some."""
    for found, words in ((lacking(counts, CLASSES, "image"), missing), (unequal(counts, CLASSES), odd)):
        assert (found is None) == (words is None)
        if words is not None:
            assert words in (found or "")


def test_few_names_stand_for_many() -> None:
    """A thousand classes of which three were photographed make no long line."""
    names = [f"class {number}" for number in range(1000)]
    said = lacking([3 * (number < 3) for number in range(1000)], names, "window")
    assert said is not None
    assert said.startswith("no window to train on of 'class 3', 'class 4', 'class 5' and 994 more:")


def test_train_and_diagnose_say_it(tmp_path: Path) -> None:
    """At the beginning, and the report says it again: on the terminal and on the page."""
    data = save_uneven(tmp_path / "data.npz", (60, 6, 6, 0))
    recorder, seen = Recorder(), Recorder()
    options: dict[str, Any] = {"plan": "output-frozen-sgd", "epochs": 1}
    fine_tune(ALL_DRIFTS, data, tmp_path / "run", recorder, **options)
    diagnose(compiled(ALL_DRIFTS), DiagnoseOptions(data, threads=1), seen)
    said = cautions(read_report(tmp_path / "run"))
    for words in ("no image to train on of 'dog':", "'ant' has 51 to train on, 'bee' only 5"):
        for lines in (recorder.notes, seen.notes, said):
            assert [line for line in lines if line.startswith(words)]
    again = Recorder()
    fine_tune(ALL_DRIFTS, data, tmp_path / "run", again, resume=True, epochs=2)
    assert not any("to train on" in note for note in again.notes)


def test_what_trains_nothing_forgets_nothing(tmp_path: Path) -> None:
    """Statistics of batch norms are re-estimated from whatever is there."""
    data = save_uneven(tmp_path / "data.npz", (60, 6, 6, 0))
    recorder = Recorder()
    fine_tune("feature-adapt", data, tmp_path / "run", recorder, epochs=0, batch_norm="adapt")
    assert not any("to train on" in note for note in recorder.notes)
    assert read_report(tmp_path / "run").result.train_per_class == ()
