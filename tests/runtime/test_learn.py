"""`learn`: another last layer in one pass over a few images, new classes, and what later commands make of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.bundles import ALL_DRIFTS, CLASSES, COMPILED, FRONT, HEAD
from support.toys import coloured_squares, save_folders, save_squares
from tbft_artifacts.errors import TbftError
from tbft_runtime import LearnOptions, Predictor, TrainOptions, evaluate, finalize, learn, read_report, train
from tbft_runtime.boundary.prefix import Prefix
from tbft_runtime.reporting.result import TrainResult
from tbft_runtime.run.folder import RunFolder

BUNDLE = COMPILED / ALL_DRIFTS
# A fifth colour.
PURPLE = np.array([150, 30, 200])


def purple(count: int, seed: int = 1) -> np.ndarray:
    """(count, size, size, 3) uint8, of no class that the bundle has."""
    images, _ = coloured_squares(count, seed)
    noise = np.random.default_rng(seed).normal(0, 25, images.shape)
    return np.clip(PURPLE + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_squares(tmp_path_factory.mktemp("photos") / "photos.npz", 40)


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that nothing was learned from."""
    return save_squares(tmp_path_factory.mktemp("others") / "others.npz", 80, seed=5)


@pytest.fixture(scope="module")
def eels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ten pictures of a class that the bundle does not have."""
    return save_folders(tmp_path_factory.mktemp("eels"), purple(10), [0] * 10, ["eel"])


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, eels: Path) -> Path:
    """A run that learned them."""
    out = tmp_path_factory.mktemp("grown") / "run"
    learn(BUNDLE, LearnOptions(eels, out, add_classes=("eel",), threads=1))
    return out


def record(result: TrainResult):  # type: ignore[no-untyped-def]
    assert result.learned is not None
    return result.learned


def test_a_head_is_learned_in_one_pass(
    photos: Path, others: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every image goes through the network once, however many heads are compared."""
    passed = []
    compute = Prefix.compute

    def counted(self: Prefix, images: np.ndarray) -> dict[str, np.ndarray]:
        passed.append(len(images))
        return compute(self, images)

    monkeypatch.setattr(Prefix, "compute", counted)
    result = learn(BUNDLE, LearnOptions(photos, tmp_path / "run", validation=others, threads=1))
    assert sum(passed) == 40 + 80
    assert record(result).passes == 1
    assert result.stopped == "learned"
    assert result.epochs == 0
    assert result.blocks == ("fc",)
    assert result.accuracy_before is not None
    assert result.accuracy_after is not None
    assert result.accuracy_after > result.accuracy_before + 0.3
    # What is kept is what was measured.
    assert evaluate(tmp_path / "run", others, threads=1).accuracy == pytest.approx(result.accuracy_after)


def test_without_validation_images_are_left_out(photos: Path, others: Path, tmp_path: Path) -> None:
    result = learn(BUNDLE, LearnOptions(photos, tmp_path / "run", threads=1))
    assert result.validation_images == 40
    assert result.accuracy_after == pytest.approx(evaluate(tmp_path / "run", others, threads=1).accuracy, abs=0.1)
    heads = {each.head for each in record(result).candidates}
    assert heads == {"old", "renamed", "lda", "class means", "ridge"}
    assert record(result).kept_images > 0


def test_one_image_of_each_class(tmp_path: Path, others: Path) -> None:
    """None can be left out; the head is made all the same, and nothing is claimed of it."""
    images, labels = coloured_squares(4)
    np.savez(tmp_path / "four.npz", images=images, labels=labels)
    result = learn(BUNDLE, LearnOptions(tmp_path / "four.npz", tmp_path / "run", threads=1))
    assert evaluate(tmp_path / "run", others, threads=1).accuracy > 0.5
    assert result.train_images == 4


def test_a_new_class_is_known_from_then_on(grown: Path, others: Path, tmp_path: Path) -> None:
    """To predict, evaluate, finalize and the report; the other classes are still told apart."""
    assert read_report(grown).classes == (*CLASSES, "eel")
    predictor = Predictor.open(grown, threads=1)
    assert predictor.classes == (*CLASSES, "eel")
    assert predictor.predict(purple(20, seed=9)).labels.count("eel") >= 18
    finalize(grown, tmp_path / "model.onnx")
    final = Predictor.open(tmp_path / "model.onnx", threads=1)
    np.testing.assert_allclose(
        final.predict(purple(3)).probabilities, predictor.predict(purple(3)).probabilities, atol=1e-6
    )
    old = evaluate(grown, others, threads=1)
    assert old.accuracy > 0.8
    assert old.accuracy_per_class.keys() == set(CLASSES)


def test_both_recalls_are_told(grown: Path) -> None:
    learned = record(read_report(grown).result)
    assert learned.added == ("eel",)
    (eel,) = [each for each in learned.recalls if each.name == "eel"]
    assert (eel.images, eel.recall) == (10, 1.0)
    assert learned.kept_before is not None
    assert learned.kept_after is not None
    assert learned.kept_after > 0.8


@pytest.mark.parametrize("plan", [FRONT, HEAD])
def test_training_goes_on_with_the_new_class(plan: str, grown: Path, tmp_path: Path) -> None:
    """With labels of it, in a plan that trains the last layer, and in one that does not."""
    images, labels = coloured_squares(40)
    np.savez(
        tmp_path / "five.npz",
        images=np.concatenate([images, purple(10, seed=4)]),
        labels=np.concatenate([labels, [4] * 10]),
        classes=np.array([*CLASSES, "eel"]),
    )
    result = train(
        BUNDLE, TrainOptions(tmp_path / "five.npz", tmp_path / "run", plan=plan, base=grown, epochs=2, threads=1)
    )
    assert result.accuracy_before is not None
    assert result.accuracy_before > 0.7
    assert result.accuracy_after is not None
    assert result.accuracy_after >= result.accuracy_before
    again = TrainOptions(tmp_path / "five.npz", tmp_path / "run", plan=plan, epochs=3, threads=1, resume=True)
    assert train(BUNDLE, again).epochs == 3
    assert Predictor.open(tmp_path / "run", threads=1).classes == (*CLASSES, "eel")


def test_another_class_on_top(grown: Path, photos: Path, tmp_path: Path) -> None:
    """A class that was learned before is one of the network's then: what is new needs images of it again."""
    images, labels = coloured_squares(40)
    dark = np.zeros((10, *images.shape[1:]), np.uint8)
    np.savez(
        tmp_path / "six.npz",
        images=np.concatenate([images, purple(10, seed=4), dark]),
        labels=np.concatenate([labels, [4] * 10, [5] * 10]),
        classes=np.array([*CLASSES, "eel", "fox"]),
    )
    learn(BUNDLE, LearnOptions(tmp_path / "six.npz", tmp_path / "run", add_classes=("fox",), base=grown, threads=1))
    predictor = Predictor.open(tmp_path / "run", threads=1)
    assert predictor.classes == (*CLASSES, "eel", "fox")
    assert set(predictor.predict(dark).labels) == {"fox"}
    assert predictor.predict(purple(20, seed=11)).labels.count("eel") >= 18


def test_a_class_that_was_learned_needs_no_images_again(grown: Path, tmp_path: Path) -> None:
    """What is known of it went into the run's moments."""
    dark = save_folders(tmp_path / "dark", np.zeros((10, 8, 8, 3), np.uint8), [0] * 10, ["fox"])
    learn(BUNDLE, LearnOptions(dark, tmp_path / "run", add_classes=("fox",), base=grown, threads=1))
    predictor = Predictor.open(tmp_path / "run", threads=1)
    assert predictor.predict(purple(20, seed=11)).labels.count("eel") >= 16
    assert set(predictor.predict(np.zeros((3, 8, 8, 3), np.uint8)).labels) == {"fox"}
    moments = RunFolder(grown).moments_file
    kept = moments.read_bytes()
    moments.write_bytes(kept[:-1] + b"x")
    with pytest.raises(TbftError, match="is damaged"):
        learn(BUNDLE, LearnOptions(dark, tmp_path / "other", add_classes=("fox",), base=grown, threads=1))
    moments.write_bytes(kept)


def test_moments_are_not_believed_of_other_features(eels: Path, photos: Path, tmp_path: Path) -> None:
    """Where the front was trained, what the source's images looked like behind it is not known any more."""
    train(BUNDLE, TrainOptions(photos, tmp_path / "front", plan=FRONT, epochs=1, threads=1))
    with pytest.raises(TbftError, match="nothing tells what 4 of the 4 old classes look like"):
        learn(BUNDLE, LearnOptions(eels, tmp_path / "run", add_classes=("eel",), base=tmp_path / "front", threads=1))
    assert not Predictor.open(tmp_path / "front", threads=1).tells_unknown


def test_a_new_class_of_one_image(tmp_path: Path, others: Path) -> None:
    """Nothing is claimed of it, and the run is whole."""
    one = save_folders(tmp_path / "one", purple(1), [0], ["eel"])
    result = learn(BUNDLE, LearnOptions(one, tmp_path / "run", add_classes=("eel",), threads=1))
    assert result.accuracy_after is None
    assert record(result).recalls[-1].recall is None
    assert evaluate(tmp_path / "run", others, threads=1).accuracy > 0.8


def test_a_learned_run_has_no_epochs_to_go_on_with(grown: Path, eels: Path) -> None:
    """Nothing of it is changed; it is what others begin with."""
    before = (grown / "run.json").read_bytes()
    with pytest.raises(TbftError, match="was learned in one pass"):
        train(BUNDLE, TrainOptions(eels, grown, resume=True, threads=1))
    assert (grown / "run.json").read_bytes() == before
    assert Predictor.open(grown, threads=1).classes == (*CLASSES, "eel")


def test_half_of_a_new_class_is_refused(grown: Path, tmp_path: Path) -> None:
    with pytest.raises(TbftError, match="nor would half of both"):
        finalize(grown, tmp_path / "model.onnx", blend=0.5, allow_worse=True)
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("name", ["..", "a/b", ".eel", "unlabelled"])
def test_what_no_folder_is_named_is_no_class(name: str, eels: Path, tmp_path: Path) -> None:
    with pytest.raises(TbftError, match="no name for a folder"):
        learn(BUNDLE, LearnOptions(eels, tmp_path / "run", add_classes=(name,), threads=1))


def test_refusals(grown: Path, eels: Path, photos: Path, tmp_path: Path) -> None:
    def refused(bundle: Path = BUNDLE, out: Path = tmp_path / "run", **asked: object) -> TbftError:
        with pytest.raises(TbftError) as caught:
            learn(bundle, LearnOptions(**({"data": eels, "out": out, "threads": 1} | asked)))  # type: ignore[arg-type]
        assert caught.value.hint
        assert not (tmp_path / "run").exists()
        return caught.value

    assert "'" + str(eels / "eel") in refused().message
    assert "a class twice: 'bee'" in refused(add_classes=("bee",)).message
    assert "no image of the new class 'gnu'" in refused(add_classes=("eel", "gnu")).message
    assert "holds a run already" in refused(out=grown, data=photos).message
    assert "plan that trains the last layer" in refused(COMPILED / "feature-frozen", data=photos).message
    assert "nothing tells what" in refused(COMPILED / "output-frozen", add_classes=("eel",)).message
