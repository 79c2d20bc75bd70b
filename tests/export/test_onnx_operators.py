"""ONNX operators as PyTorch computes them for a model without torch source: the values are ONNX Runtime's."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor

from support.onnx_models import parse, run
from support.passes import noise
from tbft_export.reference.evaluate import KNOWN_OPERATORS
from tbft_export.reference.onnx_operators import OPERATORS
from tbft_export.reference.onnx_spatial import SPATIAL_OPERATORS
from tbft_export.reference.slopes import Slopes

SEQUENCE, IMAGES = (2, 6), (2, 4, 6, 6)
WEIGHTS = {
    "scale": noise(4, seed=3),
    "row": noise(6, seed=4),
    "matrix": noise(6, 3, seed=5),
    "slope": noise(4, 1, 1, seed=6),
    "axis": np.array(1),
    "one": np.array([1]),
    "low": np.array(-0.2, np.float32),
    "high": np.array(0.3, np.float32),
    "sizes": np.array([0, -1]),
}
# A node of images, or of what is said.
NODES = [
    "Add (x, slope)",
    "Clip (x, low, high)",
    "Concat <axis=1> (x, x)",
    "Div (x, slope)",
    "Flatten (x)",
    "Flatten <axis=0> (x)",
    "Flatten <axis=2> (x)",
    "Flatten <axis=-1> (x)",
    "HardSigmoid <alpha=0.3> (x)",
    "HardSwish (x)",
    "MatMul (x, matrix)",
    "Mul (x, slope)",
    "ReduceMean <axes=[2,3], keepdims=0> (x)",
    "Relu (x)",
    "Reshape (x, sizes)",
    "Identity (x)",
    "LogSoftmax <axis=1> (x)",
    "Neg (x)",
    "Sigmoid (x)",
    "Softmax <axis=2> (x)",
    "Sub (x, slope)",
    "Tanh (x)",
    "Transpose <perm=[0,2,3,1]> (x)",
    "Unsqueeze (x, one)",
    "Abs (x)",
    "Celu <alpha=0.7> (x)",
    "Elu <alpha=0.7> (x)",
    "Erf (x)",
    "LeakyRelu <alpha=0.2> (x)",
    "PRelu (x, slope)",
    "Selu (x)",
    "Shrink <bias=0.1, lambd=0.3> (x)",
    "Softplus (x)",
    "Softsign (x)",
    "ThresholdedRelu <alpha=0.3> (x)",
    "Asinh (x)",
    "Atan (x)",
    "Ceil (x)",
    "Cos (x)",
    "Floor (x)",
    "Max (x, slope, low)",
    "Mean (x, slope, low)",
    "Min (x, slope, low)",
    "Round (x)",
    "Sign (x)",
    "Mod <fmod=1> (x, slope)",
    "Sin (x)",
    "Sinh (x)",
    "Cosh (x)",
    "Tan (x)",
    "InstanceNormalization <epsilon=0.01> (x, scale, scale)",
    "LayerNormalization <epsilon=0.01> (x, row, row)",
    "LayerNormalization (x, row)",
    "LpNormalization <axis=1, p=1> (x)",
    "LpNormalization (x)",
    "CumSum (x, axis)",
    "CumSum <exclusive=1, reverse=1> (x, axis)",
    'Einsum <equation="nchw,wd->ndhc"> (x, matrix)',
    "ReduceL1 <axes=[1]> (x)",
    "ReduceL2 <axes=[1,2], keepdims=0> (x)",
    "ReduceLogSumExp <axes=[-1]> (x)",
    "ReduceProd <axes=[1,3]> (x)",
    "ReduceSumSquare (x)",
    "Trilu (x)",
    "Trilu <upper=0> (x, axis)",
]
_BOUNDED = ("Acos", "Asin", "Atanh")
# Of other operands: (inputs, node).
OTHERS = [
    *(({"x": np.linspace(-0.9, 0.9, 12, dtype=np.float32).reshape(2, 6)}, f"{name} (x)") for name in _BOUNDED),
    ({"x": np.abs(noise(*SEQUENCE)) + 1}, "Acosh (x)"),
    ({"x": noise(*SEQUENCE)}, "Gemm <alpha=0.5> (x, matrix)"),
    ({"x": noise(2, 1, 3)}, "Squeeze (x, one)"),
    # Rows of channels of which none is chosen.
    ({"x": np.zeros((0, 2, 3), np.float32)}, "Flatten (x)"),
    ({"x": np.abs(noise(*IMAGES))}, "ReduceLogSum <axes=[1]> (x)"),
]


def graph(node: str, images: np.ndarray) -> ir.Model:
    sizes = ",".join(map(str, images.shape))
    rank = {"Flatten": 2, "Reshape": 2, "Unsqueeze": 5, "Squeeze": 2, "Gemm": 2}.get(node.split()[0], images.ndim)
    rank -= 2 if "keepdims=0" in node else 0
    outputs = ",".join("abcde"[:rank])
    weights = {
        name: value for name, value in WEIGHTS.items() if name in node.replace(")", " ").replace(",", " ").split()
    }
    return parse(f"g (float[{sizes}] x) => (float[{outputs}] y) {{ y = {node} }}", **weights)


def computed(model: ir.Model, images: np.ndarray, dtype: torch.dtype) -> Tensor:
    node = model.graph.node(0)
    values = {"x": torch.from_numpy(images).to(dtype)}
    for name, value in model.graph.initializers.items():
        assert value.const_value is not None
        array = torch.from_numpy(value.const_value.numpy().copy())
        values[name] = array.to(dtype) if array.is_floating_point() else array
    found = KNOWN_OPERATORS[node.op_type](node, [values[each.name or ""] for each in node.inputs if each is not None])
    return found if isinstance(found, Tensor) else found[0]


@pytest.mark.parametrize(
    ("inputs", "node"), [*(({"x": noise(*IMAGES)}, node) for node in NODES), *OTHERS], ids=lambda each: str(each)[:40]
)
def test_an_operator(inputs: dict[str, np.ndarray], node: str) -> None:
    """In float32 as in float64, and with the shape that ONNX says."""
    model = graph(node, inputs["x"])
    expected = run(model, inputs)["y"]
    for dtype in (torch.float32, torch.float64):
        found = computed(model, inputs["x"], dtype)
        assert found.shape == expected.shape
        assert found.dtype == dtype
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_every_operator_is_tested() -> None:
    """But Mish, which is none of opset 17."""
    tested = {node.split()[0] for node in (*NODES, *(node for _, node in OTHERS))}
    assert tested | {"QuantizeLinear", "DequantizeLinear", "Range"} >= OPERATORS.keys() - {"Mish"}


@pytest.mark.parametrize(
    ("scale", "zero"),
    [
        (np.float32(0.02), np.int8(3)),
        (np.float32(0.01), np.uint8(100)),
        (np.array([0.01, 0.02, 0.03, 0.5], np.float32), np.zeros(4, np.int8)),
    ],
    ids=["int8", "uint8", "for each channel"],
)
def test_integers(scale: np.ndarray, zero: np.ndarray) -> None:
    """As a quantised network has them between its layers: rounded to even, and cut at the ends of the type."""
    model = parse(
        "g (float[2,4,6,6] x) => (float[2,4,6,6] y) { q = QuantizeLinear (x, s, z) y = DequantizeLinear (q, s, z) }",
        s=np.asarray(scale),
        z=np.asarray(zero),
    )
    images = noise(*IMAGES)
    quantize, dequantize = model.graph
    operands = [torch.from_numpy(np.asarray(each)) for each in (scale, zero)]
    integers = KNOWN_OPERATORS["QuantizeLinear"](quantize, [torch.from_numpy(images), *operands])
    assert isinstance(integers, Tensor)
    found = KNOWN_OPERATORS["DequantizeLinear"](dequantize, [integers, *operands])
    assert isinstance(found, Tensor)
    np.testing.assert_allclose(found.numpy(), run(model, {"x": images})["y"], rtol=1e-6)


def test_what_the_gradient_of_a_layer_norm_reads() -> None:
    """The mean and 1 / std of each row."""
    text = """g (float[2,4,6,6] x) => (float[2,4,6,6] y, float[2,4,1,1] mean, float[2,4,1,1] inverse)
        { y, mean, inverse = LayerNormalization <axis=2, epsilon=0.01> (x, plane) }"""
    plane, images = noise(6, 6, seed=8), noise(*IMAGES)
    model = parse(text, plane=plane)
    found = OPERATORS["LayerNormalization"](model.graph.node(0), [torch.from_numpy(images), torch.from_numpy(plane)])
    for each, expected in zip(found, run(model, {"x": images}).values(), strict=True):
        np.testing.assert_allclose(each.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_one_size_of_a_shape() -> None:
    """Gather of a number from a vector gives a number, also where functions are overridden, as the self-check does."""
    model = parse("g (float[2,4] x) => (int64 y) { s = Shape (x) y = Gather (s, place) }", place=np.array(1))
    _, gather = model.graph
    with Slopes(shift=1e-6):
        found = SPATIAL_OPERATORS["Gather"](gather, [torch.tensor([2, 4]), torch.tensor(1)])
    assert isinstance(found, Tensor)
    assert found.shape == ()
    assert int(found) == 4


@pytest.mark.parametrize("kind", [np.int64, np.float32])
def test_numbers_in_a_row(kind: type[np.generic]) -> None:
    """Range takes no tensor but three numbers, and gives their type."""
    given = [np.array(value, kind) for value in (1, 8, 3)]
    name = "int64" if kind is np.int64 else "float"
    model = parse(f"g ({name} a, {name} b, {name} c) => ({name}[n] y) {{ y = Range (a, b, c) }}")
    found = OPERATORS["Range"](model.graph.node(0), [torch.from_numpy(each) for each in given])
    assert isinstance(found, Tensor)
    expected = run(model, dict(zip("abc", given, strict=True)))["y"]
    np.testing.assert_array_equal(found.numpy(), expected)
    assert found.numpy().dtype == expected.dtype
