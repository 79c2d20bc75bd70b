"""A bundle with an int8 prefix is trained, evaluated and finalized with that prefix, on integer kernels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from safetensors.numpy import load_file

from support.bundles import compiled, read_manifest
from support.runs import fine_tune, state_of
from support.toys import coloured_squares
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import PREDICT
from tbft_runtime import finalize
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.graphs.sessions import Tensors, load_graph
from tbft_runtime.inference.model import open_model

PIXELS = coloured_squares(40, seed=5)[0]


# With fixed statistics behind the prefix, and with those of the batch.
BUNDLES = ("feature-int8", "feature-block-int8")


@pytest.fixture
def bundle() -> Bundle:
    return open_bundle(compiled("feature-int8"))


def in_two_graphs(bundle: Bundle, pixels: np.ndarray, weights: Tensors) -> np.ndarray:
    """Logits as training computes them: the prefix, then the suffix from its boundary activation."""
    (plan,) = bundle.manifest.plans
    value = Preprocessing(bundle.manifest.preprocessing, bundle.manifest.shape).normalize(pixels)
    for name in (plan.prefix, plan.suffix):
        graph = load_graph(bundle.path(name), weights, 1)
        (value,) = graph.run({graph.inputs[0]: value}).values()
    return value


def test_convolutions_of_the_prefix_run_as_integer_kernels(bundle: Bundle, tmp_path: Path) -> None:
    """Stock ONNX Runtime fuses each with its scales and its ReLU; no float convolution is left."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(bundle.path(bundle.plan().prefix), options, providers=["CPUExecutionProvider"])
    kernels = (tmp_path / "optimized.onnx").read_bytes()
    # The operator's name is field 4 of a node (onnx.proto).
    assert kernels.count(b"\x22\x0bQLinearConv") == 3
    assert b"\x22\x04Conv" not in kernels
    assert b"\x22\x04Relu" not in kernels


def test_the_prefix_needs_no_other_file(bundle: Bundle) -> None:
    """Its integer weights are inside; weights.safetensors has every weight in float32 all the same."""
    plan = bundle.plan()
    load_graph(bundle.path(plan.prefix), {}, 1)
    float32 = open_bundle(compiled("feature-frozen"))
    assert bundle.manifest.files["weights.safetensors"] == float32.manifest.files["weights.safetensors"]
    assert bundle.manifest.files[PREDICT] == float32.manifest.files[PREDICT]
    assert bundle.path(plan.prefix).read_bytes() != float32.path(float32.plan().prefix).read_bytes()


def test_a_bundle_predicts_with_the_int8_prefix(bundle: Bundle) -> None:
    """So that what `eval` finds before training is what training starts from."""
    found = open_model(bundle.folder, 1).logits(PIXELS)
    np.testing.assert_allclose(found, in_two_graphs(bundle, PIXELS, load_file(bundle.weights)), rtol=0, atol=1e-6)
    float32 = open_model(compiled("feature-frozen"), 1).logits(PIXELS)
    difference = np.abs(found - float32).max()
    assert 1e-5 < difference < 0.1 * np.abs(float32).max()


@pytest.mark.parametrize("name", BUNDLES)
def test_a_run_and_its_file_predict_as_the_training_graphs(name: str, tmp_path: Path, squares: Path) -> None:
    """The finalized file has the very prefix that was trained on, and the trained suffix with its averages."""
    bundle = open_bundle(compiled(name))
    fine_tune(name, squares, tmp_path / "run", epochs=3)
    finalize(tmp_path / "run", tmp_path / "model.onnx", allow_worse=True)
    expected = in_two_graphs(bundle, PIXELS, {**load_file(bundle.weights), **state_of(tmp_path / "run").best})
    for model in (tmp_path / "run", tmp_path / "model.onnx"):
        found = open_model(model, 1).logits(PIXELS)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    assert np.abs(expected - open_model(bundle.folder, 1).logits(PIXELS)).max() > 0.1


@pytest.mark.parametrize("epochs", [0, 2])
@pytest.mark.parametrize("name", BUNDLES)
def test_statistics_cannot_be_re_estimated(name: str, epochs: int, tmp_path: Path, squares: Path) -> None:
    """The integer weights hold the old ones; nothing is left behind."""
    with pytest.raises(TbftError, match="int8 prefix, whose batch-norm statistics cannot be re-estimated") as caught:
        fine_tune(name, squares, tmp_path / "run", epochs=epochs, batch_norm="adapt")
    assert "`prefix` int8" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_the_manifest_says_so() -> None:
    """And a float32 bundle says nothing of it: its id is what it was before there was such a thing."""
    (plan,) = read_manifest(compiled("feature-int8")).plans
    assert plan.id == "feature-frozen-sgd-int8"
    assert plan.int8 is not None
    assert plan.int8.accuracy_int8 > plan.int8.accuracy_float32 - 0.01
    assert '"int8"' not in (compiled("feature-frozen") / "manifest.json").read_text()
