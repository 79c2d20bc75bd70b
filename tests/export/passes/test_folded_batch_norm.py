"""A frozen batch norm goes into the filters of a frozen convolution, and only there."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from support.onnx_models import operators, parse, run
from tbft_export.passes.freeze_batch_norm import FreezeBatchNormPass

INPUTS = "float[n,4,7,7] x"
NORMED = "y = BatchNormalization <epsilon=0.001> (c, gamma, beta, mean, variance)"


def weights(**more: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    filters = 0.3 * rng.standard_normal((6, 2, 3, 3), np.float32)
    vectors = {name: rng.standard_normal(6, np.float32) for name in ("gamma", "beta", "mean")}
    return {"w": filters, **vectors, "variance": rng.uniform(0.1, 2, 6).astype(np.float32)} | more


def model_of(body: str, outputs: str = "float[n,6,4,4] y", **more: np.ndarray) -> ir.Model:
    return parse(f"g ({INPUTS}) => ({outputs}) {{ {body} }}", **weights(**more))


CONV = "c = Conv <group=2, strides=[2,2], pads=[1,1,1,1], kernel_shape=[3,3]> (x, w)"


def frozen(model: ir.Model, *trained: str) -> list[str]:
    """Run the pass; outputs must stay the same."""
    x = np.random.default_rng(1).standard_normal((3, 4, 7, 7), np.float32)
    before = run(model, {"x": x})
    assert FreezeBatchNormPass(frozenset(trained))(model).modified
    after = run(model, {"x": x})
    assert after.keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=0, atol=1e-5 * np.abs(value).max())
    assert "BatchNormalization" not in operators(model)
    return operators(model)


def scales_the_image(model: ir.Model) -> bool:
    """Whether a Mul reads what a Conv gave."""
    convolved = {value for node in model.graph if node.op_type == "Conv" for value in node.outputs}
    return any(not convolved.isdisjoint(node.inputs) for node in model.graph if node.op_type == "Mul")


def test_the_norm_goes_into_the_filters() -> None:
    """Attributes stay, group and stride included; the convolution that it replaces is gone, and is not counted."""
    model = model_of(f"{CONV} {NORMED}")
    assert frozen(model).count("Conv") == 1
    assert not scales_the_image(model)
    (conv,) = (node for node in model.graph if node.op_type == "Conv")
    assert (conv.attributes.get_int("group"), conv.attributes.get_ints("strides")) == (2, (2, 2))


@pytest.mark.parametrize("trained", ["w", "gamma", "beta"])
def test_a_trained_part_keeps_the_norm_apart(trained: str) -> None:
    """The gradient of the filters would else be that of the scaled ones, and gamma's a sum over all of them."""
    model = model_of(f"{CONV} {NORMED}")
    assert frozen(model, trained).count("Conv") == 1
    assert scales_the_image(model)


def test_other_trained_weights_do_not_matter() -> None:
    model = model_of(f"{CONV} {NORMED}")
    frozen(model, "fc.weight")
    assert not scales_the_image(model)


APART = {
    "with a bias": (f"{CONV.replace('w)', 'w, beta)')} {NORMED}", "float[n,6,4,4] y"),
    "read twice": (f"{CONV} {NORMED} z = Relu(c)", "float[n,6,4,4] y, float[n,6,4,4] z"),
    "an output itself": (f"{CONV} {NORMED}", "float[n,6,4,4] y, float[n,6,4,4] c"),
    "normed twice": (f"{CONV} {NORMED} z {NORMED[1:]}", "float[n,6,4,4] y, float[n,6,4,4] z"),
    "computed filters": (f"v = Neg(w) {CONV.replace('w)', 'v)')} {NORMED}", "float[n,6,4,4] y"),
}


@pytest.mark.parametrize("case", list(APART))
def test_a_convolution_that_is_needed_as_it_is_stays(case: str) -> None:
    body, outputs = APART[case]
    model = model_of(body, outputs)
    assert frozen(model).count("Conv") == 1
    assert scales_the_image(model)


def test_shared_filters_are_scaled_for_each_norm() -> None:
    """Two convolutions with one weight: each gets its own scaled copy, the weight stays."""
    second = CONV.replace("c =", "d =")
    model = model_of(
        f"{CONV} {second} {NORMED} z {NORMED[1:].replace('(c,', '(d,')}", "float[n,6,4,4] y, float[n,6,4,4] z"
    )
    assert frozen(model).count("Conv") == 2
    assert not scales_the_image(model)
    assert "w" in model.graph.initializers


def test_a_norm_behind_something_else_is_scale_and_shift() -> None:
    model = parse(
        "g (float[n,6,7,7] x) => (float[n,6,7,7] y) { c = Relu(x) " + NORMED + " }",
        **{name: value for name, value in weights().items() if name != "w"},
    )
    assert FreezeBatchNormPass(frozenset())(model).modified
    assert operators(model)[-2:] == ["Reshape", "Add"]
    assert operators(model).count("Mul") == 3
