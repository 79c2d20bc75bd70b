"""Layers without a gradient in ONNX Runtime Training compute the same in the form that has one, or are refused."""

from __future__ import annotations

import numpy as np
import pytest
from torch import Tensor
from torch.nn import functional

from support.covers import covers
from support.onnx_models import operators, parse, run
from support.passes import apply, assert_same, noise
from support.trained_layers import assert_layer_trains
from tbft_artifacts.errors import TbftError
from tbft_export.passes.layer_forms import LAYER_FORMS
from tbft_export.passes.write_out_layers import WriteOutLayersPass

LAYERS = {
    "PRelu": "PRelu (x, slope)",
    "InstanceNormalization": "InstanceNormalization <epsilon=0.01> (x, scale, bias)",
    "LayerNormalization": "LayerNormalization <axis=-1, epsilon=0.01> (x, row, row)",
    "LayerNormalization without a bias": "LayerNormalization <axis=-1> (x, row)",
    "Einsum": 'Einsum <equation="nchw,c->nhcw"> (x, scale)',
    "Mean": "Mean (x, x, slope)",
    "Sum": "Sum (x, slope, x)",
    "Sum of one": "Sum (x)",
    "ReduceMax": "ReduceMax <axes=[1]> (x)",
    "ReduceMax of all": "ReduceMax (x)",
    "ReduceMin": "ReduceMin <axes=[2, -1], keepdims=0> (x)",
    "ReduceL1": "ReduceL1 <axes=[1]> (x)",
    "ReduceSumSquare": "ReduceSumSquare <axes=[1], keepdims=0> (x)",
    "LpNormalization": "LpNormalization <axis=1, p=2> (x)",
    "LpNormalization of magnitudes": "LpNormalization <axis=1, p=1> (x)",
}
WEIGHTS = {
    "slope": noise(3, 1, 1),
    "scale": noise(3, seed=1),
    "bias": noise(3, seed=2),
    "row": noise(5, seed=3),
}


def test_every_form_is_tested() -> None:
    assert {case.split()[0] for case in LAYERS} == LAYER_FORMS.keys()


@covers("WriteOutLayersPass")
@pytest.mark.parametrize("case", list(LAYERS))
def test_a_layer_is_written_out(case: str) -> None:
    """The values stay what they are."""
    layer = LAYERS[case]
    parsed = parse(f"g (float[n,3,4,5] x) => (float[a,b,c,d] y) {{ z = {layer} y = Identity (z) }}", **WEIGHTS)
    x = noise(2, 3, 4, 5, seed=4)
    before = run(parsed, {"x": x})["y"]
    assert apply(WriteOutLayersPass({"x"}), parsed)
    after = run(parsed, {"x": x})["y"]
    assert after.shape == before.shape
    assert_same(after, before)


@pytest.mark.parametrize("power", [1, 2])
def test_zeros_normalised_are_zeros(power: int) -> None:
    """As ONNX Runtime has it, and not 0 / 0: features behind a ReLU may all be zero."""
    model = parse(f"g (float[n,3] x) => (float[n,3] y) {{ y = LpNormalization <p={power}> (x) }}")
    x = noise(2, 3)
    x[1] = 0
    before = run(model, {"x": x})["y"]
    assert apply(WriteOutLayersPass({"x"}), model)
    assert not before[1].any()
    assert_same(run(model, {"x": x})["y"], before)

    def layer(h: Tensor) -> Tensor:
        masked = h * Tensor([[1], [0]])
        return functional.normalize(masked, p=power, dim=-1, eps=1e-12)

    constants = {"mask": np.array([[1], [0]], np.float32)}
    assert_layer_trains(
        f"m = Mul(h, mask) y = LpNormalization <axis=-1, p={power}> (m)", layer, (2, 3), constants=constants
    )


def test_what_is_frozen_stays_as_it_is() -> None:
    """No gradient passes through it."""
    model = parse("g (float[n,3] x) => (float[n,3] y) { z = PRelu (x, slope) y = Mul (z, scale) }", **WEIGHTS)
    assert not apply(WriteOutLayersPass({"scale"}), model)
    assert operators(model) == ["PRelu", "Mul"]


@pytest.mark.parametrize("trained", ["p", "x"])
def test_a_trained_exponent_is_refused(trained: str) -> None:
    """ORT Training's gradient of it is wrong. That of the base is right, whatever the exponent."""
    text = "g (float[n,3] x, float[1] p) => (float[n,3] y) { q = Mul (p, p) y = Pow (x, q) }"
    step = WriteOutLayersPass({trained})
    if trained == "x":
        assert not apply(step, parse(text))
        return
    with pytest.raises(TbftError, match="operator Pow at node 'Pow_1' has an exponent that is trained"):
        step(parse(text))


@pytest.mark.parametrize("layer", ["InstanceNormalization (r, scale, bias)", "ReduceMax <axes=[1]> (r)"])
def test_an_input_of_unknown_rank_is_refused(layer: str) -> None:
    text = f"g (float[n,3,4] x, int64[k] s) => (float[i,j,k] y) {{ r = Reshape (x, s) y = {layer} }}"
    with pytest.raises(TbftError, match="has no gradient here: its input is of unknown rank"):
        WriteOutLayersPass({"x"})(parse(text, **WEIGHTS))


def test_a_scale_of_unknown_size_is_refused() -> None:
    """Zeros for a bias would have no size."""
    text = "g (float[n,3] x, float[k] s) => (float[n,3] y) { y = LayerNormalization (x, s) }"
    with pytest.raises(TbftError, match="has no gradient here: its scale is of unknown size"):
        WriteOutLayersPass({"x"})(parse(text))


def test_ties_share_the_gradient() -> None:
    """Equal maxima: their mean is the maximum."""
    model = parse("g (float[n,4] x) => (float[n] y) { y = ReduceMax <axes=[1], keepdims=0> (x) }")
    apply(WriteOutLayersPass({"x"}), model)
    x = np.array([[1, 3, 3, -2], [0, 0, 0, 0]], np.float32)
    np.testing.assert_array_equal(run(model, {"x": x})["y"], [3, 0])


@pytest.mark.parametrize("operator", ["Sum", "Mean"])
def test_sums_of_several_train(operator: str) -> None:
    """As networks of Caffe join their branches."""

    def layer(h: Tensor) -> Tensor:
        return (h + h * h + h.sigmoid()) / (3 if operator == "Mean" else 1)

    assert_layer_trains(f"a = Mul(h, h) b = Sigmoid(h) y = {operator}(h, a, b)", layer, (2, 3, 4))
