"""`predict` and `eval` give the same answers for the same images, from wherever they and the model come."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from support.bundles import CLASSES, compiled
from support.runs import Recorder, fine_tune
from support.toys import coloured_squares, png, png_of, save_folders, save_squares
from tbft_artifacts.errors import TbftError
from tbft_runtime import evaluate, finalize, predict
from tbft_runtime.inference import evaluation as inference
from tbft_runtime.inference.model import open_model

IMAGES, LABELS = coloured_squares(40, seed=2)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> dict[str, Path]:
    """One bundle in its four forms; run and finalized file are the same model."""
    folder = tmp_path_factory.mktemp("models")
    with tarfile.open(folder / "bundle.tar.gz", "w:gz") as tar:
        tar.add(compiled("feature-adapt"), ".")
    fine_tune("feature-adapt", squares, folder / "run", epochs=8)
    finalize(folder / "run", folder / "model.onnx")
    return {
        "bundle": compiled("feature-adapt"),
        "archive": folder / "bundle.tar.gz",
        "run": folder / "run",
        "file": folder / "model.onnx",
    }


@pytest.mark.parametrize(("one", "other"), [("bundle", "archive"), ("run", "file")])
def test_every_form_of_a_model_predicts_alike(one: str, other: str, models: dict[str, Path], tmp_path: Path) -> None:
    """Folder and archive are the same base model; run and finalized file the same trained one."""
    data = save_squares(tmp_path / "data.npz", 40, seed=2)
    assert list(predict(models[one], [data], 1)) == list(predict(models[other], [data], 1))
    assert list(predict(models["bundle"], [data], 1)) != list(predict(models["run"], [data], 1))


def test_predictions_are_the_softmax_of_the_logits(models: dict[str, Path], tmp_path: Path) -> None:
    """Name, likeliest class and its probability, for more images than one batch."""
    data = save_squares(tmp_path / "data.npz", 40, seed=2)
    logits = open_model(models["run"], 1).logits(IMAGES).astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = list(predict(models["run"], [data], 1))
    assert [prediction.image for prediction in found] == [f"data.npz[{index}]" for index in range(40)]
    assert [prediction.label for prediction in found] == [CLASSES[index] for index in probabilities.argmax(axis=1)]
    np.testing.assert_allclose([prediction.probability for prediction in found], probabilities.max(axis=1), rtol=1e-4)


def test_pictures_folders_and_npz_give_the_same(models: dict[str, Path], tmp_path: Path) -> None:
    """Files, a folder of any depth, and both together."""
    save_folders(tmp_path / "folder" / "deeper", IMAGES, LABELS)
    files = sorted((tmp_path / "folder").rglob("*.png"))
    np.savez(tmp_path / "data.npz", images=IMAGES[[int(file.stem) for file in files]])

    def answers(*inputs: Path) -> list[tuple[str, float]]:
        return [(found.label, round(found.probability, 5)) for found in predict(models["run"], inputs, 1)]

    expected = answers(tmp_path / "data.npz")
    assert answers(*files) == expected
    assert answers(tmp_path / "folder") == expected
    assert answers(tmp_path / "data.npz", tmp_path / "folder") == expected * 2


def test_a_picture_keeps_its_path(models: dict[str, Path], tmp_path: Path) -> None:
    """So that output can be joined with input."""
    (tmp_path / "a.png").write_bytes(png(IMAGES[0]))
    (found,) = predict(models["file"], [tmp_path / "a.png"], 1)
    assert found.image == str(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["nowhere.png", "text.png", "folder"])
def test_what_is_no_picture_is_an_error(name: str, models: dict[str, Path], tmp_path: Path) -> None:
    """Missing, unreadable, or a folder without pictures: named, not skipped."""
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "folder").mkdir()
    with pytest.raises(TbftError, match=name):
        list(predict(models["file"], [tmp_path / name], 1))


def test_the_others_are_answered_before_an_unreadable_one_is_told_of(models: dict[str, Path], tmp_path: Path) -> None:
    """A broken or too large picture among those that were named is an error, and loses no answer."""
    for index in (0, 2):
        (tmp_path / f"{index}.png").write_bytes(png(IMAGES[index]))
    (tmp_path / "1.png").write_bytes(png_of(20_000, 20_000, 1, 0, b""))
    os.mkfifo(tmp_path / "3.png")
    skipped: list[str] = []
    answers = predict(models["file"], sorted(tmp_path.iterdir()), 1, skipped.append)
    assert [Path(next(answers).image).name for _ in range(2)] == ["0.png", "2.png"]
    with pytest.raises(TbftError, match=r"1\.png' cannot be read .*megapixels"):
        next(answers)
    assert skipped == [str(tmp_path / "3.png")]


def test_a_folder_of_nothing_but_unreadable_pictures_is_an_error(models: dict[str, Path], tmp_path: Path) -> None:
    """No answer is no success."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").touch()
    with pytest.raises(TbftError, match="none of the 1 pictures"):
        list(predict(models["file"], [tmp_path / "broken"], 1))


def test_evaluation_counts_every_class(models: dict[str, Path], tmp_path: Path) -> None:
    """Overall accuracy is the mean over images, per class over its own, and classes without images are left out."""
    keep = LABELS != 2
    np.savez(tmp_path / "data.npz", images=IMAGES[keep], labels=LABELS[keep])
    guesses = open_model(models["bundle"], 1).logits(IMAGES[keep]).argmax(axis=1)
    result = evaluate(models["bundle"], tmp_path / "data.npz", 1)
    assert result.images == keep.sum()
    assert result.accuracy == pytest.approx((guesses == LABELS[keep]).mean())
    assert result.accuracy_per_class == {
        CLASSES[label]: pytest.approx((guesses[LABELS[keep] == label] == label).mean()) for label in (0, 1, 3)
    }
    assert result.images_per_second > 0


def test_unlabelled_and_unreadable_images_do_not_count(models: dict[str, Path], tmp_path: Path) -> None:
    """Accuracy is over images with a label; unreadable ones are named."""
    save_folders(tmp_path / "data", IMAGES[:8], [0, 1, 2, 3, -1, -1, 0, 1])
    (tmp_path / "data" / "cat" / "broken.jpg").touch()
    result = evaluate(models["run"], tmp_path / "data", 1)
    assert result.images == 6
    assert result.skipped_images == ("cat/broken.jpg",)


def test_evaluation_says_why_a_whole_picture_is_skipped(models: dict[str, Path], tmp_path: Path) -> None:
    """One that is damaged is only named, one that is too large, or no file, with the reason."""
    save_folders(tmp_path / "data", IMAGES[:4], LABELS[:4])
    (tmp_path / "data" / "cat" / "broken.jpg").touch()
    (tmp_path / "data" / "cat" / "large.png").write_bytes(png_of(20_000, 20_000, 1, 0, b""))
    os.mkfifo(tmp_path / "data" / "dog" / "pipe.jpg")
    watching = Recorder()
    result = evaluate(models["run"], tmp_path / "data", 1, watching)
    assert result.skipped_images == ("cat/broken.jpg", "cat/large.png", "dog/pipe.jpg")
    assert watching.notes == [
        "skipped 3 unreadable images: 'cat/broken.jpg', 'cat/large.png' (20,000 × 20,000 pixels are more than 89 "
        "megapixels), 'dog/pipe.jpg' (it is a pipe, and no regular file)"
    ]


def test_evaluation_needs_labels(models: dict[str, Path], tmp_path: Path) -> None:
    """An accuracy over no images is not 0, it does not exist."""
    np.savez(tmp_path / "data.npz", images=IMAGES)
    with pytest.raises(TbftError, match="has a label"):
        evaluate(models["run"], tmp_path / "data.npz", 1)


def test_an_onnx_file_from_elsewhere_is_refused(tmp_path: Path, squares: Path) -> None:
    """Without its metadata nobody knows how such a model is fed."""
    foreign = compiled("feature-frozen") / "plans" / "feature-frozen-sgd" / "update.onnx"
    for path in (foreign, tmp_path / "nowhere.onnx"):
        with pytest.raises(TbftError) as caught:
            evaluate(path, squares, 1)
        assert str(path) in caught.value.message


def test_a_folder_that_is_neither_bundle_nor_run(tmp_path: Path, squares: Path) -> None:
    """One clear error."""
    with pytest.raises(TbftError, match="is no bundle"):
        evaluate(tmp_path, squares, 1)


def test_images_are_kept_only_to_be_answered_again(
    models: dict[str, Path], squares: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without exits and without a meter nothing is measured one by one, and no image takes memory for it."""
    monkeypatch.setattr(inference, "ImageSample", None)
    assert evaluate(models["bundle"], squares, 1).single is None


def test_pictures_can_be_opened_by_the_names_that_come_back(models: dict[str, Path], tmp_path: Path) -> None:
    """Also where these are no UTF-8; commands, whose JSON anybody reads, show such names instead."""
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.write_bytes(png(IMAGES[0]))
    (found,) = predict(models["bundle"], [tmp_path], 1)
    assert Path(found.image).samefile(path)
