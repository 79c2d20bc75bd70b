"""Operators that PyTorch computes for models without torch source give what ONNX Runtime gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from onnx_ir.passes import common

from support.onnx_models import parse, run
from support.passes import noise
from tbft_export.graph.forward import ForwardModel
from tbft_export.reference.onnx_reference import OnnxReference
from tbft_export.reference.onnx_spatial import SPATIAL_OPERATORS

IMAGES, SIGNALS = (4, 6, 5), (4, 9)
CONSTANTS = {
    "w": noise(4, 2, 3, 3, seed=1),
    "w1": noise(4, 4, 3, seed=1),
    "b": noise(4, seed=2),
    "pads": np.array([0, 0, 1, -1, 0, 0, 2, 1], np.int64),
    "twice": np.array([1, 1, 2, 2], np.float32),
    "one": np.array([1], np.int64),
    "table": np.array([[0, 2], [-1, 1]], np.int64),
    "back": np.array([-1], np.int64),
    "far": np.array([-99], np.int64),
    "lengths": np.array([1, 3], np.int64),
    "shape": np.array([2, 4, 6, 5], np.int64),
    "seven": np.array(7.0, np.float32),
    "mask": np.arange(5) % 2 == 0,
}
LAYERS = [
    (IMAGES, "Conv<group=2, pads=[1,0,0,1], strides=[2,1], dilations=[1,2]>(x, w, b)"),
    (SIGNALS, "Conv<pads=[2,0]>(x, w1, b)"),
    (IMAGES, "ConvTranspose<group=2, strides=[2,2], pads=[1,0,0,1], output_padding=[1,0]>(x, w)"),
    (SIGNALS, "ConvTranspose<strides=[3], output_padding=[2]>(x, w1, b)"),
    (IMAGES, "MaxPool<kernel_shape=[3,2], pads=[1,0,0,1], strides=[2,1], ceil_mode=1>(x)"),
    (SIGNALS, "MaxPool<kernel_shape=[2], dilations=[2]>(x)"),
    (IMAGES, "AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]>(x)"),
    (IMAGES, "AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(x)"),
    (SIGNALS, "AveragePool<kernel_shape=[2], strides=[2]>(x)"),
    (IMAGES, "GlobalAveragePool(x)"),
    (SIGNALS, "GlobalAveragePool(x)"),
    (IMAGES, "GlobalMaxPool(x)"),
    (IMAGES, "Pad(x, pads)"),
    (IMAGES, "Pad(x, pads, seven)"),
    (IMAGES, 'Pad<mode="reflect">(x, pads)'),
    (IMAGES, 'Pad<mode="edge">(x, pads)'),
    (IMAGES, 'Resize<mode="linear">(x, , twice)'),
    (IMAGES, 'Resize<mode="nearest", coordinate_transformation_mode="asymmetric">(x, , twice)'),
    (IMAGES, "Slice(x, one, far, back, back)"),
    (IMAGES, "Slice(x, one, far, , back)"),
    (IMAGES, "Slice(x, back, far, back, back)"),
    (IMAGES, "Slice(x, far, far, back, back)"),
    (IMAGES, "Gather<axis=2>(x, table)"),
    (IMAGES, "DepthToSpace<blocksize=2>(x)"),
    (IMAGES, 'DepthToSpace<blocksize=2, mode="CRD">(x)'),
    ((4, 6, 4), "SpaceToDepth<blocksize=2>(x)"),
    (IMAGES, "LRN<size=3, alpha=0.5, bias=2.0>(x)"),
    (IMAGES, "Tile(x, shape)"),
    (IMAGES, "Where(mask, x, seven)"),
    ((4, 1, 5), "Expand(x, shape)"),
]


@pytest.mark.parametrize(("shape", "layer"), LAYERS, ids=[layer for _, layer in LAYERS])
def test_operator(shape: tuple[int, ...], layer: str) -> None:
    sizes = ",".join(map(str, shape))
    axes = ",".join("abcdef"[: len(shape) + 1])
    if layer.startswith("Gather"):
        axes += ",z"
    used = {name: value for name, value in CONSTANTS.items() if name in layer.partition("(")[2].strip(")").split(", ")}
    model = parse(f"g (float[n,{sizes}] x) => (float[{axes}] y) {{ y = {layer} }}", **used)
    common.ShapeInferencePass()(model)
    x = noise(2, *shape)
    found = OnnxReference(ForwardModel(model, frozenset())).logits(torch.from_numpy(x), batch_statistics=())
    np.testing.assert_allclose(found.numpy(), run(model, {"x": x})["y"], rtol=1e-5, atol=1e-5)


def test_split() -> None:
    """The parts of a node of several results, in their order."""
    text = "g (float[n,4,2] x) => (float[n,4,2] y) { a, b = Split<axis=1>(x, lengths) y = Concat<axis=1>(b, a) }"
    model = parse(text, lengths=CONSTANTS["lengths"])
    x = noise(2, 4, 2)
    found = OnnxReference(ForwardModel(model, frozenset())).logits(torch.from_numpy(x), batch_statistics=())
    np.testing.assert_array_equal(found.numpy(), run(model, {"x": x})["y"])


def test_shape() -> None:
    """Sizes with the batch in it are computed as the graph does."""
    text = "g (float[n,4,2] x) => (float[n,8] y) { b = Shape<end=1>(x) s = Concat<axis=0>(b, eight) y = Reshape(x, s) }"
    model = parse(text, eight=np.array([8], np.int64))
    x = noise(3, 4, 2)
    found = OnnxReference(ForwardModel(model, frozenset())).logits(torch.from_numpy(x), batch_statistics=())
    np.testing.assert_array_equal(found.numpy(), run(model, {"x": x})["y"])


def test_every_spatial_operator_is_compared() -> None:
    names = {layer.partition("(")[0].partition("<")[0] for _, layer in LAYERS}
    assert SPATIAL_OPERATORS.keys() - {"Shape", "Split"} == names
