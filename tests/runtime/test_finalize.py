"""`finalize` hands out one file that any ONNX engine runs, with the run's best weights, and no worse model unasked."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime as ort
import pytest
from safetensors.numpy import load_file

from support.bundles import CLASSES, COMPILED_NAMES, compiled, compiled_copy, read_manifest
from support.files import listing
from support.runs import fine_tune, state_of
from support.toys import coloured_squares
from tbft_artifacts.errors import TbftError
from tbft_artifacts.model_card import METADATA, ModelCard
from tbft_runtime import TrainOptions, finalize, predict, train
from tbft_runtime.graphs.sessions import load_graph
from tbft_runtime.inference.model import open_model
from tbft_runtime.run.epoch import Evaluation
from tbft_runtime.run.folder import RunFolder

PIXELS = coloured_squares(9, seed=3)[0]


@pytest.mark.parametrize("bundle", COMPILED_NAMES)
def test_the_file_computes_what_the_best_state_computes(bundle: str, tmp_path: Path, squares: Path) -> None:
    """For every plan and policy: the logits of plain ONNX Runtime are those of the bundle with the run's weights."""
    fine_tune(bundle, squares, tmp_path / "run", epochs=3)
    finalize(tmp_path / "run", tmp_path / "model.onnx", allow_worse=True)
    weights = {**load_file(compiled(bundle) / "weights.safetensors"), **state_of(tmp_path / "run").best}
    (plan,) = read_manifest(compiled(bundle)).plans
    expected = load_graph(compiled(bundle) / plan.predict, weights, 1)
    images = open_model(compiled(bundle), 1).preprocessing.normalize(PIXELS)
    (wanted,) = expected.run({expected.inputs[0]: images}).values()

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    plain = ort.InferenceSession(tmp_path / "model.onnx", options, providers=["CPUExecutionProvider"])
    (found,) = plain.run(None, {plain.get_inputs()[0].name: images})
    np.testing.assert_array_equal(found, wanted)
    base = open_model(compiled(bundle), 1).logits(PIXELS)
    assert not np.allclose(found, base)


def test_the_file_needs_nothing_else(tmp_path: Path, squares: Path) -> None:
    """Bundle, run and data may be deleted: the file alone predicts the same, classes and preprocessing included."""
    bundle = compiled_copy("feature-batch", tmp_path / "bundle")
    fine_tune(bundle, squares, tmp_path / "run", epochs=2)
    finalize(tmp_path / "run", tmp_path / "model.onnx")
    before = list(predict(tmp_path / "run", [squares], 1))
    shutil.rmtree(tmp_path / "run")
    shutil.rmtree(bundle)
    (tmp_path / "alone").mkdir()
    shutil.move(tmp_path / "model.onnx", tmp_path / "alone" / "model.onnx")
    assert list(predict(tmp_path / "alone" / "model.onnx", [squares], 1)) == before


def test_what_is_reported_is_what_was_written(tmp_path: Path, squares: Path) -> None:
    """Path, size, and the run's own validation accuracy before and after."""
    result = fine_tune("output-frozen", squares, tmp_path / "run", epochs=2)
    finalized = finalize(tmp_path / "run", tmp_path / "model.onnx")
    assert finalized.model == str(tmp_path / "model.onnx")
    assert finalized.bytes == (tmp_path / "model.onnx").stat().st_size
    assert (finalized.accuracy_before, finalized.accuracy_after) == (result.accuracy_before, result.accuracy_after)


def test_the_metadata_tells_where_a_model_comes_from(tmp_path: Path, squares: Path) -> None:
    """Bundle id, plan, class names, image size and preprocessing travel inside the file."""
    fine_tune("feature-adapt", squares, tmp_path / "run", epochs=1)
    finalize(tmp_path / "run", tmp_path / "model.onnx", allow_worse=True)
    session = ort.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    card = msgspec.json.decode(session.get_modelmeta().custom_metadata_map[METADATA], type=ModelCard)
    manifest = read_manifest(compiled("feature-adapt"))
    assert msgspec.structs.replace(card, sha256="") == ModelCard(
        bundle_id=manifest.bundle_id,
        plan=manifest.plans[0].id,
        classes=CLASSES,
        image_size=manifest.image_size,
        preprocessing=manifest.preprocessing,
    )
    unstamped = (tmp_path / "model.onnx").read_bytes().replace(card.sha256.encode(), b"0" * 64)
    assert hashlib.sha256(unstamped).hexdigest() == card.sha256


def make_worse(run: Path, before: float, after: float) -> None:
    """Rewrite the run's history so that validation accuracy went from `before` to `after`."""
    folder = RunFolder(run)
    state = state_of(run)
    assert state.best_epoch
    state.before = Evaluation(loss=1.0, accuracy=before, images=10)
    state.after = Evaluation(0.5, after, 10)
    folder.write_state(state)


@pytest.fixture
def run(tmp_path: Path, squares: Path) -> Path:
    fine_tune("output-frozen", squares, tmp_path / "run", epochs=2)
    return tmp_path / "run"


def test_a_worse_model_is_refused(run: Path, tmp_path: Path) -> None:
    """Loss may fall while accuracy does too: then nothing is written, and an older file stays."""
    make_worse(run, before=0.9, after=0.8)
    (tmp_path / "model.onnx").write_text("older")
    before = listing(tmp_path)
    with pytest.raises(TbftError, match=r"90\.0% before, 80\.0% after") as caught:
        finalize(run, tmp_path / "model.onnx")
    assert "`allow_worse`" in caught.value.hint
    assert listing(tmp_path) == before


def test_a_worse_model_is_given_if_asked_for(run: Path, tmp_path: Path) -> None:
    """The user may know better than a handful of validation images."""
    make_worse(run, before=0.9, after=0.8)
    finalized = finalize(run, tmp_path / "model.onnx", allow_worse=True)
    assert (finalized.accuracy_before, finalized.accuracy_after) == (0.9, 0.8)
    open_model(tmp_path / "model.onnx", 1)


@pytest.mark.parametrize("after", [0.9, 1.0])
def test_an_equal_or_better_model_is_given(after: float, run: Path, tmp_path: Path) -> None:
    """Only worse is refused."""
    make_worse(run, before=0.9, after=after)
    assert finalize(run, tmp_path / "model.onnx").accuracy_after == after


def test_re_estimated_statistics_can_be_finalized_without_labels(tmp_path: Path) -> None:
    """Nobody can say whether it is worse, so it is given; the accuracies are unknown, not 0."""
    np.savez(tmp_path / "data.npz", images=coloured_squares(20)[0])
    fine_tune("feature-adapt", tmp_path / "data.npz", tmp_path / "run", epochs=0)
    finalized = finalize(tmp_path / "run", tmp_path / "model.onnx")
    assert finalized.accuracy_before is finalized.accuracy_after is None
    adapted, base = open_model(tmp_path / "model.onnx", 1), open_model(compiled("feature-adapt"), 1)
    assert not np.allclose(adapted.logits(PIXELS), base.logits(PIXELS))


def test_an_older_file_is_replaced(run: Path, tmp_path: Path) -> None:
    """As a whole: a device that serves the file never sees half of it."""
    (tmp_path / "model.onnx").write_text("older")
    finalize(run, tmp_path / "model.onnx")
    open_model(tmp_path / "model.onnx", 1)
    assert {path.name for path in tmp_path.iterdir()} == {"run", "model.onnx"}


def test_a_bundle_that_moved_can_be_named(tmp_path: Path, squares: Path) -> None:
    """Without it the error says how; another bundle in its place is refused."""
    bundle = compiled_copy("output-frozen", tmp_path / "bundle")
    fine_tune(bundle, squares, tmp_path / "run", epochs=1)
    bundle.rename(tmp_path / "moved")
    with pytest.raises(TbftError) as caught:
        finalize(tmp_path / "run", tmp_path / "model.onnx", allow_worse=True)
    assert "`bundle`" in caught.value.hint
    with pytest.raises(TbftError, match="is not the bundle"):
        finalize(tmp_path / "run", tmp_path / "model.onnx", allow_worse=True, bundle=compiled("feature-adamw"))
    assert not (tmp_path / "model.onnx").exists()
    finalize(tmp_path / "run", tmp_path / "model.onnx", allow_worse=True, bundle=tmp_path / "moved")
    open_model(tmp_path / "model.onnx", 1)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    """A bundle, or any other folder, is not finalized."""
    for folder in (tmp_path, compiled("output-frozen"), tmp_path / "nowhere"):
        with pytest.raises(TbftError, match="is no run folder"):
            finalize(folder, tmp_path / "model.onnx")


def test_a_run_without_a_state(run: Path, tmp_path: Path) -> None:
    """The plug was pulled before the first state was saved."""
    for name in ("state.safetensors", "state.previous.safetensors"):
        (run / name).unlink()
    with pytest.raises(TbftError, match="has saved no epoch yet") as caught:
        finalize(run, tmp_path / "model.onnx")
    assert "`resume`" in caught.value.hint


@pytest.mark.parametrize("name", ["run/state.safetensors", "run/run.json", "bundle.tar.gz", "-", "model.txt"])
def test_nothing_but_a_model_is_replaced(name: str, tmp_path: Path, squares: Path) -> None:
    """The name of the state, the bundle or the images that it is made from would have cost them."""
    fine_tune("output-frozen", squares, tmp_path / "run", epochs=1)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    with pytest.raises(TbftError, match="no name of an ONNX model"):
        finalize(tmp_path / "run", tmp_path / name, allow_worse=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()} == before


def test_a_graph_of_the_bundle_is_not_replaced(tmp_path: Path, squares: Path) -> None:
    """It has the name of a model, too."""
    bundle = compiled_copy("output-frozen", tmp_path / "bundle")
    train(bundle, TrainOptions(squares, tmp_path / "run", epochs=1, meter="none"))
    with pytest.raises(TbftError, match="lies in the bundle itself"):
        finalize(tmp_path / "run", bundle / "predict.onnx", allow_worse=True)
