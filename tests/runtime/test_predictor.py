"""A `Predictor` answers arrays and files as `predict` and plain ONNX Runtime do, from a model that is loaded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from support.bundles import CLASSES, EXIT_PLANS, EXITS, IMAGE_SIZE, compiled
from support.runs import fine_tune
from support.toys import coloured_squares, png, save_squares
from tbft_artifacts.errors import TbftError
from tbft_runtime import Predictor, finalize, predict
from tbft_runtime.inference import model as loading

IMAGES, LABELS = coloured_squares(40, seed=2)
# As cameras give them: neither square nor of the network's size.
FRAMES = np.random.default_rng(5).integers(0, 256, (3, 24, 36, 3), np.uint8)


@pytest.fixture(scope="module")
def finalized(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    folder = tmp_path_factory.mktemp("finalized")
    fine_tune("feature-adapt", squares, folder / "run", epochs=4)
    finalize(folder / "run", folder / "model.onnx")
    return folder / "model.onnx"


@pytest.fixture(scope="module")
def predictor(finalized: Path) -> Predictor:
    return Predictor.open(finalized, 1)


def save_pictures(folder: Path, images: np.ndarray) -> list[Path]:
    files = [folder / f"{number:02}.png" for number in range(len(images))]
    for file, image in zip(files, images, strict=True):
        file.write_bytes(png(image))
    return files


def test_probabilities_are_those_of_plain_onnxruntime(finalized: Path, predictor: Predictor) -> None:
    """For more images than one batch: softmax of the file's logits, in the order of the classes, and the likeliest."""
    session = ort.InferenceSession(finalized, providers=["CPUExecutionProvider"])
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    values = ((IMAGES / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
    (logits,) = session.run(None, {session.get_inputs()[0].name: values})
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    found = predictor.predict(IMAGES)
    assert found.probabilities.dtype == np.float32
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-4, atol=1e-6)
    assert found.labels == tuple(CLASSES[index] for index in expected.argmax(axis=1))
    assert found.exits == (None,) * 40
    assert predictor.classes == CLASSES


def test_answers_are_those_of_predict(finalized: Path, predictor: Predictor, tmp_path: Path) -> None:
    """The command's function, and the object: one model, the same numbers."""
    data = save_squares(tmp_path / "data.npz", 40, seed=2)
    found = predictor.predict(IMAGES)
    wanted = list(predict(finalized, [data], 1))
    assert list(found.labels) == [prediction.label for prediction in wanted]
    likeliest = np.float32([prediction.probability for prediction in wanted])
    np.testing.assert_array_equal(found.probabilities.max(axis=1), likeliest)


def test_a_run_with_exits_answers_early(squares: Path, tmp_path: Path) -> None:
    """Labels and the exits that gave them are those of `predict`, where images leave at different exits."""
    fine_tune(EXITS, squares, tmp_path / "run", plan=EXIT_PLANS[0], epochs=2)
    np.savez(tmp_path / "data.npz", images=IMAGES)
    found = Predictor.open(tmp_path / "run", 1).predict(IMAGES)
    wanted = list(predict(tmp_path / "run", [tmp_path / "data.npz"], 1))
    assert list(found.exits) == [prediction.exit for prediction in wanted]
    assert list(found.labels) == [prediction.label for prediction in wanted]
    assert set(found.exits) == {"conv1", "layer1", "fc"}


@pytest.mark.parametrize("images", [IMAGES, FRAMES], ids=["of its own size", "of another"])
def test_arrays_and_files_are_prepared_alike(images: np.ndarray, predictor: Predictor, tmp_path: Path) -> None:
    """Resized, cropped and normalised: the same pixels give the same probabilities, bit for bit, as `str` or `Path`."""
    files = save_pictures(tmp_path, images)
    from_arrays, from_files = predictor.predict(images), predictor.predict(files)
    np.testing.assert_array_equal(from_arrays.probabilities, from_files.probabilities)
    np.testing.assert_array_equal(predictor.predict(map(str, files)).probabilities, from_files.probabilities)
    assert from_arrays.labels == from_files.labels


def test_views_of_a_cameras_memory_are_fine(predictor: Predictor) -> None:
    """Channels turned round are a view with a negative stride."""
    np.testing.assert_array_equal(
        predictor.predict(FRAMES[..., ::-1]).probabilities,
        predictor.predict(np.ascontiguousarray(FRAMES[..., ::-1])).probabilities,
    )


@pytest.mark.parametrize("form", ["file", "bundle", "run"])
def test_a_model_is_loaded_once(form: str, finalized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten images one by one are ten runs of a graph that was loaded by `open`; its files may be gone by then."""
    loads = 0
    load = loading.load_graph

    def counted(*arguments: object, **options: object) -> object:
        nonlocal loads
        loads += 1
        return load(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "load_graph", counted)
    opened = Predictor.open(
        {"file": finalized, "bundle": compiled("feature-adapt"), "run": finalized.parent / "run"}[form]
    )
    assert loads == 1
    one_by_one = [opened.predict(IMAGES[number : number + 1]).labels[0] for number in range(10)]
    assert tuple(one_by_one) == opened.predict(IMAGES[:10]).labels
    assert loads == 1


def test_several_threads_may_ask_the_same_model(predictor: Predictor) -> None:
    """Each gets the answers to its own images."""
    parts = [IMAGES[start : start + 5] for start in range(0, 40, 5)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(predictor.predict, parts * 5))
    for part, answers in zip(parts * 5, found, strict=True):
        np.testing.assert_array_equal(answers.probabilities, predictor.predict(part).probabilities)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (IMAGES.astype(np.float32), "float32 (40, 8, 8, 3)"),
        (IMAGES[0], "uint8 (8, 8, 3)"),
        (IMAGES.transpose(0, 3, 1, 2), "uint8 (40, 3, 8, 8)"),
        (IMAGES[..., :1], "uint8 (40, 8, 8, 1)"),
        (IMAGES[:, :0], "uint8 (40, 0, 8, 3)"),
        (IMAGES[:0], "no images"),
        ([], "no images"),
        (["nowhere.png"], "'nowhere.png' does not exist"),
        ("nowhere.png", "'nowhere.png' is one path"),
        (Path("nowhere.png"), "'nowhere.png' is one path"),
        (list(IMAGES), "a ndarray is no path"),
        ([Path(__file__)], "test_predictor.py' cannot be read as a JPEG or PNG picture"),
        ([Path(__file__).parent], "runtime' cannot be read as a JPEG or PNG picture"),
    ],
)
def test_what_is_no_image_is_an_error(
    images: np.ndarray | Iterable[str | Path], said: str, predictor: Predictor
) -> None:
    """The message says what was given, and the hint what to give."""
    with pytest.raises(TbftError) as caught:
        predictor.predict(images)
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("ask", [lambda path: Predictor.open(path), lambda path: next(predict(path, ["photo.png"]))])
@pytest.mark.parametrize("name", ["nowhere", "nowhere.onnx"])
def test_a_model_that_is_not_there(name: str, ask: Callable[[str], object], tmp_path: Path) -> None:
    with pytest.raises(TbftError, match=name) as caught:
        ask(str(tmp_path / name))
    assert caught.value.hint


def test_a_single_path_is_not_taken_for_several(finalized: Path) -> None:
    """Its letters would be: `predict` says so, too."""
    with pytest.raises(TbftError, match=r"'photo\.png' is one path"):
        list(predict(finalized, "photo.png"))


def test_frames_are_not_of_the_networks_size() -> None:
    """The tests above would say nothing otherwise."""
    assert IMAGE_SIZE not in FRAMES.shape
