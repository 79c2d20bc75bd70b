"""The ONNX reader and writer agree with ONNX Runtime, and garbage ends in ValueError."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from support.bundles import compiled
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import PREDICT
from tbft_runtime.graphs.onnx_file import embed, external_initializers
from tbft_runtime.graphs.sessions import load_graph

BUNDLE = "feature-frozen"
IMAGES = np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> bytes:
    return (compiled(BUNDLE) / PREDICT).read_bytes()


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return load_file(compiled(BUNDLE) / "weights.safetensors")


def session(model: bytes, tensors: dict[str, np.ndarray] | None = None) -> ort.InferenceSession:
    """The model as ONNX Runtime itself loads it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    if tensors is not None:
        options.add_external_initializers(
            list(tensors), [ort.OrtValue.ortvalue_from_numpy(value) for value in tensors.values()]
        )
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def logits(model: bytes, tensors: dict[str, np.ndarray] | None = None) -> np.ndarray:
    loaded = session(model, tensors)
    (found,) = loaded.run(None, {loaded.get_inputs()[0].name: IMAGES})
    return np.asarray(found)


def test_the_listed_initializers_are_what_onnx_runtime_needs(model: bytes, weights: dict[str, np.ndarray]) -> None:
    """With all of them the model loads; without any single one it does not."""
    names = external_initializers(model)
    assert len(set(names)) == len(names) > 5
    assert set(names) <= set(weights)
    logits(model, {name: weights[name] for name in names})
    for missing in names:
        with pytest.raises(Exception, match=r"(?i)external"):
            session(model, {name: weights[name] for name in names if name != missing})


def test_an_embedded_model_is_the_same_model(model: bytes, weights: dict[str, np.ndarray]) -> None:
    """Weights inside or outside: the logits are equal, bit for bit."""
    tensors = {name: weights[name] for name in external_initializers(model)}
    inside = embed(model, tensors, {})
    assert external_initializers(inside) == []
    np.testing.assert_array_equal(logits(inside), logits(model, tensors))


def test_other_weights_make_another_model(model: bytes, weights: dict[str, np.ndarray]) -> None:
    """What is embedded is what was given, and not what the graph was compiled with."""
    tensors = {name: weights[name] for name in external_initializers(model)}
    doubled = tensors | {"fc.weight": tensors["fc.weight"] * 2, "fc.bias": tensors["fc.bias"] * 2}
    np.testing.assert_allclose(logits(embed(model, doubled, {})), 2 * logits(embed(model, tensors, {})), rtol=1e-5)


def test_embedding_twice_replaces(model: bytes, weights: dict[str, np.ndarray]) -> None:
    """A finalized model can be given new weights; no name is there twice."""
    tensors = {name: weights[name] for name in external_initializers(model)}
    doubled = tensors | {"fc.weight": tensors["fc.weight"] * 2}
    twice = embed(embed(model, doubled, {}), tensors, {})
    np.testing.assert_array_equal(logits(twice), logits(embed(model, tensors, {})))
    assert len(twice) == len(embed(model, tensors, {}))


def test_tensors_that_are_not_named_stay(model: bytes, weights: dict[str, np.ndarray]) -> None:
    """Embedding a part leaves the rest outside."""
    names = external_initializers(model)
    part = embed(model, {"fc.weight": weights["fc.weight"]}, {})
    assert external_initializers(part) == [name for name in names if name != "fc.weight"]


def test_metadata_is_found_by_onnx_runtime(model: bytes, weights: dict[str, np.ndarray]) -> None:
    """Any text, of any length, under any key; what was there before stays."""
    tensors = {name: weights[name] for name in external_initializers(model)}
    metadata = {"tbft_edge": "x" * 70_000, "größe": "8 × 8", "empty": ""}
    first = embed(model, tensors, {"before": "kept"})
    found = session(embed(first, tensors, metadata)).get_modelmeta().custom_metadata_map
    assert metadata.items() <= found.items()
    assert found["before"] == "kept"


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
@example(b"\x80" * 50)
@example(b"\x3a\x04\x2a\x02\x6a\x00")
def test_garbage_is_a_value_error_or_holds_nothing(content: bytes) -> None:
    """Bytes that happen to be a protobuf message name no initializer of a model; all others are refused."""
    try:
        names = external_initializers(content)
        embed(content, {}, {})
    except ValueError:
        return
    assert all(isinstance(name, str) for name in names)


@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(0, 255), count=st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_a_damaged_model_is_read_or_refused(model: bytes, place: float, mask: int, count: int) -> None:
    """Changed (or, with mask 0, cut) anywhere: ValueError or an answer, and never another exception."""
    position = int(place * len(model))
    damaged = model[:position] + (bytes([model[position] ^ mask]) * count + model[position + count :] if mask else b"")
    try:
        embed(damaged, dict.fromkeys(external_initializers(damaged), np.zeros(1, np.float32)), {"key": "value"})
    except ValueError as error:
        assert str(error)  # noqa: PT017  (that it is a ValueError is the point)


@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(0, 255))
@settings(max_examples=100, deadline=None)
def test_a_damaged_graph_is_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory,
    model: bytes,
    weights: dict[str, np.ndarray],
    place: float,
    mask: int,
) -> None:
    """ONNX Runtime has many kinds of exceptions; the user sees one line, and the process survives."""
    position = int(place * len(model))
    path = tmp_path_factory.mktemp("damaged") / "graph.onnx"
    path.write_bytes(model[:position] + (bytes([model[position] ^ mask]) + model[position + 1 :] if mask else b""))
    try:
        load_graph(path, weights, 1)
    except TbftError as error:
        assert str(path) in error.message  # noqa: PT017  (that it is a TbftError is the point)


def test_a_missing_weight_is_named(weights: dict[str, np.ndarray]) -> None:
    """The error says which one."""
    without = {name: value for name, value in weights.items() if name != "fc.weight"}
    with pytest.raises(TbftError, match=r"fc\.weight"):
        load_graph(compiled(BUNDLE) / PREDICT, without, 1)


def test_a_missing_graph_is_named(tmp_path: Path) -> None:
    """No traceback for a path that is not there."""
    with pytest.raises(TbftError, match=r"nowhere\.onnx"):
        load_graph(tmp_path / "nowhere.onnx", {}, 1)


def test_a_weight_of_another_shape_is_refused(weights: dict[str, np.ndarray]) -> None:
    """ONNX Runtime's own reason is passed on in one line."""
    with pytest.raises(TbftError, match="cannot be loaded"):
        load_graph(compiled(BUNDLE) / PREDICT, weights | {"fc.weight": weights["fc.weight"][:, :-1]}, 1)
