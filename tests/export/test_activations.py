"""Activation functions: gradients as in PyTorch, or masks as in MobileTL."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from support.covers import covers
from support.lowering import assert_close, leaf, lowered, normal
from support.onnx_models import operators, parse, run
from tbft_artifacts.errors import TbftError
from tbft_export.graph.activations import ACTIVATIONS, Activation
from tbft_export.passes.restore_activations import RestoreActivationsPass
from tbft_export.passes.stand_in_for_activations import StandInForActivationsPass
from tbft_export.passes.write_out_activations import WriteOutActivationsPass
from tbft_export.reference.slopes import Slopes

# The kinks of all of them, both neighbours of each, and zeros of both signs.
KINKS = [
    np.nextafter(np.float32(kink), np.float32(side)) if side else np.float32(kink)
    for kink in (-3, 0, 3, 6)
    for side in (-np.inf, None, np.inf)
]
VALUES = np.array([*KINKS, -0.0, -9, -1.5, 1.5, 9], np.float32).reshape(1, -1)

# Node of the graph, the same in PyTorch, the operator of its gradient, and which value that reads.
EXACT: dict[str, tuple[str, Callable[[Tensor], Tensor], str, str]] = {
    "relu6": ("Clip (x, low, high)", functional.relu6, "tbft.Relu6Grad", "y"),
    "hardswish": ("HardSwish (x)", functional.hardswish, "tbft.HardSwishGrad", "x"),
    "hardsigmoid": (
        "HardSigmoid <alpha=0.16666667, beta=0.5> (x)",
        functional.hardsigmoid,
        "tbft.HardSigmoidGrad <alpha=0.16666667>",
        "y",
    ),
    "elu": ("Elu <alpha=0.7> (x)", lambda x: functional.elu(x, 0.7), "tbft.EluGrad <alpha=0.7>", "y"),
    "selu": ("Selu (x)", functional.selu, "tbft.SeluGrad", "y"),
    "celu": ("Celu <alpha=0.7> (x)", lambda x: functional.celu(x, 0.7), "tbft.CeluGrad <alpha=0.7>", "y"),
    "softplus": ("Softplus (x)", functional.softplus, "tbft.SoftplusGrad", "x"),
    "softsign": ("Softsign (x)", functional.softsign, "tbft.SoftsignGrad", "y"),
}
SMOOTH: dict[str, tuple[Callable[[Tensor], Tensor], str, str]] = {
    "sigmoid": (torch.sigmoid, "SigmoidGrad", "y"),
    "tanh": (torch.tanh, "TanhGrad", "y"),
    "gelu": (functional.gelu, "GeluGrad", "x"),
    "silu": (functional.silu, "QuickGeluGrad <alpha=1.0>", "x"),
    "quick gelu": (lambda x: x * torch.sigmoid(1.5 * x), "QuickGeluGrad <alpha=1.5>", "x"),
}


def torch_gradient(function: Callable[[Tensor], Tensor], x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    image = leaf(x)
    (gradient,) = torch.autograd.grad(function(image), image, torch.from_numpy(dy))
    return gradient.numpy()


def test_every_activation_is_tested() -> None:
    """Whatever the table holds has a gradient that is compared, with the operand that the table says."""
    tested = {operator.split()[0]: reads for _, _, operator, reads in EXACT.values()}
    assert tested == {f"tbft.{name}Grad": kind.gradient_reads for name, kind in ACTIVATIONS.items()}


@covers("tbft::Relu6Grad", "tbft::HardSwishGrad", "tbft::HardSigmoidGrad", "tbft::EluGrad", "tbft::SeluGrad")
@covers("tbft::CeluGrad", "tbft::SoftplusGrad", "tbft::SoftsignGrad")
@pytest.mark.parametrize("name", list(EXACT))
def test_an_exact_gradient(name: str) -> None:
    """At the kinks, where PyTorch takes the outer slope, and right beside them."""
    _, function, operator, reads = EXACT[name]
    rng = np.random.default_rng(0)
    x = np.concatenate([VALUES, 3 * normal(rng, 40, VALUES.size)])
    if name == "hardsigmoid":  # One float below 3 its output is 1 already.
        x[x == np.nextafter(np.float32(3), np.float32(0))] = 0
    dy = normal(rng, *x.shape)
    y = function(torch.from_numpy(x)).numpy()
    columns = VALUES.size
    text = f"""g (float[n,{columns}] dy, float[n,{columns}] v) => (float[n,{columns}] dx)
        {{ dx = {operator} (dy, v) }}"""
    found, _ = lowered(text, {"dy": dy, "v": x if reads == "x" else y})
    expected = torch_gradient(function, x, dy)
    np.testing.assert_array_equal(found["dx"] == 0, expected == 0)
    np.testing.assert_allclose(found["dx"], expected, rtol=1e-6, atol=1e-6)


@covers("com.microsoft::SigmoidGrad", "com.microsoft::QuickGeluGrad", "com.microsoft::TanhGrad")
@covers("com.microsoft::GeluGrad")
@pytest.mark.parametrize("name", list(SMOOTH))
def test_a_smooth_gradient(name: str) -> None:
    """Also against ONNX Runtime's own kernel, and far out, where an exponential might overflow."""
    function, operator, reads = SMOOTH[name]
    rng = np.random.default_rng(0)
    x = np.concatenate([3 * normal(rng, 40, 5), [[-100, -20, 0, 20, 100]]]).astype(np.float32)
    dy = normal(rng, *x.shape)
    text = f"g (float[n,5] dy, float[n,5] v) => (float[n,5] dx) {{ dx = com.microsoft.{operator} (dy, v) }}"
    feeds = {"dy": dy, "v": x if reads == "x" else function(torch.from_numpy(x)).numpy()}
    found, _ = lowered(text, feeds)
    assert_close(found, {"dx": torch_gradient(function, x, dy)})
    assert_close(found, run(parse(text), feeds))


@covers("com.microsoft::QuickGelu")
@pytest.mark.parametrize("alpha", [1.0, 1.5])
def test_quick_gelu(alpha: float) -> None:
    """What ORT makes of SiLU is written with standard operators again."""
    x = 4 * normal(np.random.default_rng(0), 9, 5)
    text = f"g (float[n,5] x) => (float[n,5] y) {{ y = com.microsoft.QuickGelu <alpha={alpha}> (x) }}"
    found, _ = lowered(text, {"x": x})
    tensor = torch.from_numpy(x)
    assert_close(found, {"y": tensor * torch.sigmoid(alpha * tensor)})
    assert_close(found, run(parse(text), {"x": x}))


@covers("com.microsoft::Gelu")
def test_gelu() -> None:
    """What ORT makes of x * (1 + erf(x / sqrt 2)) / 2 is written with standard operators again."""
    x = 4 * normal(np.random.default_rng(0), 9, 5)
    text = "g (float[n,5] x) => (float[n,5] y) { y = com.microsoft.Gelu (x) }"
    found, _ = lowered(text, {"x": x})
    assert_close(found, {"y": functional.gelu(torch.from_numpy(x))})
    assert_close(found, run(parse(text), {"x": x}))


@covers("com.microsoft::LeakyReluGrad")
@pytest.mark.parametrize("alpha", [0.0, 0.1, 1.0])
def test_leaky_relu_grad(alpha: float) -> None:
    """At 0 and beside it, too."""
    rng = np.random.default_rng(0)
    x = np.concatenate([VALUES, 3 * normal(rng, 9, VALUES.size)])
    dy = normal(rng, *x.shape)
    shape = f"float[n,{VALUES.size}]"
    text = f"g ({shape} dy, {shape} y) => ({shape} dx) {{ dx = com.microsoft.LeakyReluGrad <alpha={alpha}> (dy, y) }}"
    found, _ = lowered(text, {"dy": dy, "y": functional.leaky_relu(torch.from_numpy(x), alpha).numpy()})
    assert_close(found, {"dx": torch_gradient(lambda each: functional.leaky_relu(each, alpha), x, dy)})


@pytest.mark.parametrize("operator", ["com.microsoft.LeakyReluGrad", "tbft.EluGrad", "tbft.SeluGrad", "tbft.CeluGrad"])
def test_a_negative_slope_is_refused(operator: str) -> None:
    """The output is read, and would not tell the sides apart."""
    text = f"g (float[n,5] dy, float[n,5] y) => (float[n,5] dx) {{ dx = {operator} <alpha=-0.5> (dy, y) }}"
    with pytest.raises(TbftError, match=r"is of an activation with a negative alpha, -0\.5"):
        lowered(text, {})


def activation_graph(node: str, gradient: str = "") -> ir.Model:
    bounds = {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    return parse(f"g (float[n,4] x, float[n,4] dy) => (float[n,4] y) {{ y = {node} {gradient} }}", **bounds)


@covers("WriteOutActivationsPass")
@pytest.mark.parametrize("name", list(EXACT))
def test_written_out_for_ort_training(name: str) -> None:
    """The same values with operators that ORT can differentiate."""
    node, function, _, _ = EXACT[name]
    model = WriteOutActivationsPass()(activation_graph(node)).model
    assert set(operators(model)) <= {"Relu", "Sub", "Mul", "Add", "Exp", "Neg", "Abs", "Log", "Div"}
    x = np.resize(VALUES, (5, 4))
    found = run(model, {"x": x, "dy": x})
    np.testing.assert_allclose(found["y"], function(torch.from_numpy(x)).numpy(), atol=1e-6)


def stand_in_for(*nodes: str) -> ir.Model:
    """A graph with these activations of x, in which ReLU has been put in their place."""
    body = " ".join(f"y{index} = {node}" for index, node in enumerate(nodes))
    outputs = ", ".join(f"float[n,4] z{index}" for index in range(len(nodes)))
    tail = " ".join(f"z{index} = Neg (y{index})" for index in range(len(nodes)))
    bounds = {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}
    return StandInForActivationsPass()(parse(f"g (float[n,4] x) => ({outputs}) {{ {body} {tail} }}", **bounds)).model


@covers("StandInForActivationsPass")
def test_one_of_a_kind_stands_in_for_two() -> None:
    """ORT would merge them anyway, and one would be missed."""
    assert operators(stand_in_for("Clip (x, low, high)", "Clip (x, low, high)")) == ["Relu", "Neg", "Neg"]


@pytest.mark.parametrize("others", [["Relu (x)"], ["HardSwish (x)"], ["Relu (x)", "Elu (x)", "Softplus (x)"]])
def test_another_kind_reads_a_copy(others: list[str]) -> None:
    """As ReLUs of one value ORT would merge them, and copies of one value, too: each copy is one of the copy before."""
    model = stand_in_for("Clip (x, low, high)", *others)
    relus = [node for node in model.graph if node.op_type == "Relu"]
    assert len(relus) == len({node.inputs[0] for node in relus}) == 1 + len(others)
    copies = [node for node in model.graph if node.op_type == "Identity"]
    assert len({node.inputs[0] for node in copies}) == len(copies) == len(others)


@covers("RestoreActivationsPass")
def test_a_lost_stand_in_is_an_error() -> None:
    """Nothing is computed as ReLU that was something else."""
    with pytest.raises(TbftError, match="the activation with the output 'y9' is lost"):
        RestoreActivationsPass({"y9": Activation("Relu6")})(stand_in_for("HardSwish (x)"))


def test_a_clip_between_other_bounds_is_left_alone() -> None:
    """torch.clamp passes gradients at its bounds, and ORT's Clip does."""
    model = stand_in_for("Clip (x, low)", "Clip (x, low, low)")
    assert operators(model)[:2] == ["Clip", "Clip"]


def slopes(function: Callable[[Tensor], Tensor], *, shift: float = 0.0, masked: bool = False) -> np.ndarray:
    """The reference's slope at each of `VALUES`."""
    with Slopes(shift=shift, masked=masked):
        return torch_gradient(function, VALUES, np.ones_like(VALUES))


@pytest.mark.parametrize(
    "function", [functional.relu6, functional.hardswish, nn.ReLU6(), nn.ReLU6(inplace=True), nn.Hardswish()]
)
def test_the_masked_reference(function: Callable[[Tensor], Tensor]) -> None:
    """MobileTL's backward: 1 where the input is positive. The value stays what it is."""
    np.testing.assert_array_equal(slopes(function, masked=True), VALUES > 0)
    with Slopes(masked=True):
        masked = function(torch.from_numpy(VALUES.copy()))
    np.testing.assert_array_equal(masked, function(torch.from_numpy(VALUES.copy())))


@pytest.mark.parametrize("function", [functional.relu, torch.relu, functional.hardsigmoid, torch.sigmoid])
def test_what_is_not_masked(function: Callable[[Tensor], Tensor]) -> None:
    np.testing.assert_array_equal(slopes(function, masked=True), slopes(function))


@pytest.mark.parametrize(
    ("function", "kinks"),
    [
        (functional.relu, [0]),
        (functional.relu6, [0, 6]),
        (functional.hardswish, [-3, 3]),
        (functional.hardsigmoid, [-3, 3]),
    ],
)
@pytest.mark.parametrize("shift", [-1e-6, 1e-6])
def test_shifted_kinks(function: Callable[[Tensor], Tensor], kinks: list[int], shift: float) -> None:
    """Just beside a kink, on the side to which it moves, and nowhere else the slope becomes that of the other side."""
    moved = np.abs(slopes(function, shift=shift) - slopes(function)) > 1e-3
    towards = np.sign(shift)
    expected = [any(0 <= towards * (value - kink) <= abs(shift) * 9 for kink in kinks) for value in VALUES.ravel()]
    # At the kink itself PyTorch takes the outer slope already.
    at_kink = np.isin(VALUES.ravel(), kinks)
    np.testing.assert_array_equal(moved.ravel()[~at_kink], np.array(expected)[~at_kink])
