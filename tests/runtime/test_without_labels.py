"""`labels` none: a network learns from its own answers, goes on bit for bit, and is held back where it must be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from support.bundles import ALL_DRIFTS, EXIT_PLANS, EXITS, SPARSE
from support.drifted import knowing_bundle
from support.runs import Recorder, assert_equal_runs, fine_tune, state_of
from support.toys import NO_LABEL, coloured_squares, save_folders
from tbft_artifacts.errors import TbftError
from tbft_runtime import TrainResult, read_report
from tbft_runtime.inference.evaluation import evaluate

WITHOUT = {"labels": "none", "drift": "input", "epochs": 3}


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that knows the squares as they are."""
    return knowing_bundle(ALL_DRIFTS, tmp_path_factory.mktemp("knowing") / "bundle")


def pale(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Squares through a pane of milk glass: hardly any contrast, and noise of a worse sensor."""
    images, labels = coloured_squares(count, seed)
    noise = np.random.default_rng(seed).normal(0, 12, images.shape)
    return np.clip(170 + 0.12 * (images - 128.0) + noise, 0, 255).astype(np.uint8), labels


def save(path: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    np.savez(path, images=images, labels=labels)
    return path


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pale squares whose labels nobody knows."""
    images, labels = pale(160, 5)
    return save(tmp_path_factory.mktemp("pool") / "pool.npz", images, np.full_like(labels, NO_LABEL))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other pale squares, with labels."""
    return save(tmp_path_factory.mktemp("labelled") / "labelled.npz", *pale(120, 6))


def run(knowing: Path, data: Path, out: Path, **options: Any) -> TrainResult:
    return fine_tune(knowing, data, out, **{**WITHOUT, **options})


def test_it_learns_what_drifted(knowing: Path, pool: Path, labelled: Path, tmp_path: Path) -> None:
    """Far better on other images than the network as it came, and every figure says that nobody verified it."""
    result = run(knowing, pool, tmp_path / "run")
    before = evaluate(knowing, labelled, threads=1).accuracy
    after = evaluate(tmp_path / "run", labelled, threads=1).accuracy
    assert after > before + 0.2
    assert (result.verified, result.labels, result.stopped) == (False, "none", "epochs")
    assert (result.accuracy_before, result.accuracy_after, result.best_epoch) == (None, None, 3)
    told = result.unlabelled
    assert told is not None
    assert (told.decision, told.kept, told.images) == ("train", 3, 160)
    assert 0 < told.trained <= 3 * 160
    report = read_report(tmp_path / "run")
    assert report.result.verified is False
    assert [epoch.validation_loss for epoch in report.epochs] == [None] * 3


@pytest.mark.parametrize("drift", ["input", "feature"])
def test_one_and_two_epochs_are_three(drift: str, knowing: Path, pool: Path, tmp_path: Path) -> None:
    """Also where an epoch was interrupted: weights are all that goes from one to the next."""
    run(knowing, pool, tmp_path / "whole", drift=drift)
    run(knowing, pool, tmp_path / "parts", drift=drift, epochs=1)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(
            knowing,
            pool,
            tmp_path / "parts",
            Recorder(interrupt_epoch=2, interrupt_after=17),
            **WITHOUT | {"drift": drift, "resume": True},
        )
    assert state_of(tmp_path / "parts").epoch == 1
    run(knowing, pool, tmp_path / "parts", drift=drift, resume=True)
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")
    assert state_of(tmp_path / "parts").unlabelled == state_of(tmp_path / "whole").unlabelled


def test_one_class_teaches_nothing(knowing: Path, tmp_path: Path) -> None:
    """Statistics of one class would spread its answers over all: the run says so, and trains nothing."""
    images, labels = coloured_squares(160, 5)
    alike = save(tmp_path / "alike.npz", images[labels == 0], np.full(40, NO_LABEL))
    notes = Recorder()
    result = fine_tune(knowing, alike, tmp_path / "run", notes, **WITHOUT)
    assert (result.stopped, result.steps, result.epochs) == ("guard", 0, 0)
    told = result.unlabelled
    assert told is not None
    assert told.decision != "train"
    assert "class" in told.why
    assert any(told.why in note for note in notes.notes)
    again = run(knowing, alike, tmp_path / "run", resume=True)
    assert (again.stopped, again.steps) == ("guard", 0)


@pytest.mark.parametrize("place", ["unlabelled", "loose"])
def test_pictures_without_classes_will_do(place: str, knowing: Path, tmp_path: Path) -> None:
    """In a folder named so, or just in a folder."""
    images, labels = pale(48, 5)
    folder = save_folders(tmp_path / "pictures", images, np.full_like(labels, NO_LABEL))
    data = folder if place == "unlabelled" else folder / "unlabelled"
    result = run(knowing, data, tmp_path / "run", epochs=1)
    assert (result.train_images, result.unlabelled_images) == (48, 48)


def test_labels_that_are_there_are_not_looked_at(knowing: Path, tmp_path: Path) -> None:
    """Wrong ones end in the same weights; held-out ones only measure."""
    images, labels = pale(80, 5)
    validation = save(tmp_path / "val.npz", *pale(40, 7))
    for name, told in {"right": labels, "wrong": (labels + 1) % 4}.items():
        data = save(tmp_path / f"{name}.npz", images, told)
        result = run(knowing, data, tmp_path / name, validation=validation)
        assert (result.verified, result.best_epoch) == (False, 3)
        assert result.accuracy_before is not None
    assert_equal_runs(tmp_path / "right", tmp_path / "wrong")


def test_labels_to_check_by_roll_back_what_is_worse(knowing: Path, pool: Path, tmp_path: Path) -> None:
    """Labels by which any change is worse: the network as it came is kept, to the bit, and the result says so."""
    images, _ = pale(40, 6)
    model = evaluate_answers(knowing, images, tmp_path)
    checks = save(tmp_path / "checks.npz", images, model)
    result = run(knowing, pool, tmp_path / "run", validation=checks, check_labels=30)
    assert (result.verified, result.validation_images, result.best_epoch) == (True, 30, 0)
    assert result.accuracy_before == result.accuracy_after == 1
    told = result.unlabelled
    assert told is not None
    assert (told.decision, told.kept) == ("train", None)
    assert not result.is_worse
    after = evaluate_answers(tmp_path / "run", images, tmp_path)
    np.testing.assert_array_equal(after, model)


def evaluate_answers(model: Path, images: np.ndarray, folder: Path) -> np.ndarray:
    """(N,) the class of each image by `model`."""
    from tbft_runtime import Predictor

    pictures = save_folders(folder / f"{model.name}-pictures", images, np.full(len(images), NO_LABEL)) / "unlabelled"
    predictions = Predictor.open(model).predict(sorted(pictures.iterdir()))
    return np.asarray(predictions.probabilities).argmax(axis=1)


def test_labels_to_check_by_come_out_of_the_data_too(knowing: Path, tmp_path: Path) -> None:
    """So many of every class as there are, and never trained on."""
    data = save(tmp_path / "data.npz", *pale(80, 5))
    result = run(knowing, data, tmp_path / "run", check_labels=20, epochs=1)
    assert (result.verified, result.validation_images, result.train_images) == (True, 20, 60)
    with pytest.raises(TbftError, match="`check_labels` 81 asks for more labelled images than") as caught:
        run(knowing, data, tmp_path / "other", check_labels=81)
    assert "fewer" in caught.value.hint


REFUSED = {
    "output": (ALL_DRIFTS, {"drift": "output"}, "changed their names"),
    "exits": (EXITS, {"drift": None, "plan": EXIT_PLANS[0]}, "several exits"),
    "sparse": (SPARSE, {"drift": None}, "choose channels"),
    "epochs": (ALL_DRIFTS, {"epochs": 0}, "nothing is trained"),
    "int8": ("feature-int8", {"drift": "feature"}, "int8 prefix"),
    "labels": (ALL_DRIFTS, {"labels": "all", "check_labels": 20}, "`check_labels` is for `labels` none"),
    "number": (ALL_DRIFTS, {"check_labels": 0}, "not a number from 1 up"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused(case: str, pool: Path, tmp_path: Path) -> None:
    """Before anything is written."""
    bundle, options, message = REFUSED[case]
    with pytest.raises(TbftError, match=message):
        fine_tune(bundle, pool, tmp_path / "run", **WITHOUT | options)
    assert not (tmp_path / "run").exists()


def test_states_from_before_load(knowing: Path, pool: Path, tmp_path: Path) -> None:
    """A run file that knows of no such option is of a run with labels."""
    run(knowing, pool, tmp_path / "run", epochs=1)
    stored = msgspec.json.decode((tmp_path / "run" / "run.json").read_bytes())
    assert stored["settings"]["labels"] == "none"
    with pytest.raises(TbftError, match="`labels` all differs"):
        run(knowing, pool, tmp_path / "run", labels="all", resume=True)
