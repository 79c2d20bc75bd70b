"""ORT's training graph becomes the device's: gradients are outputs, what is frozen is inside, nothing else is left."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from support.covers import covers
from support.onnx_models import operators, parse, run
from support.passes import apply, noise
from tbft_export.passes.count_correct import CountCorrectPass
from tbft_export.passes.freeze_weights import FreezeWeightsPass
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass
from tbft_export.passes.take_gradients import TakeGradientsPass

TRAINING = """g (float[n,3] a, int64[n] labels, float[3] w, float[3] v, float[3] w_buffer, bool[1] reset)
    => (float loss, float[n,3] logits, bool[1] w_done) {
    scaled = Mul(a, w)
    logits = Add(scaled, v)
    loss, log_prob = SoftmaxCrossEntropyLoss(logits, labels)
    squares = Mul(scaled, a)
    total = ReduceSum <keepdims=0> (squares, zero)
    w_done = com.microsoft.InPlaceAccumulatorV2(w_buffer, total, reset) }"""


def training_graph() -> ir.Model:
    return parse(TRAINING, zero=np.array([0]))


@covers("TakeGradientsPass")
def test_gradients_become_outputs() -> None:
    model = training_graph()
    assert apply(TakeGradientsPass(), model)
    assert "com.microsoft::InPlaceAccumulatorV2" not in operators(model)
    gradient = model.graph.outputs[2]
    assert (gradient.name, tuple(gradient.shape or ())) == ("total", (3,))


@covers("FreezeWeightsPass")
def test_frozen_weights_become_initializers_and_buffers_go() -> None:
    """Inputs are then the activation, the labels and what is trained."""
    model = training_graph()
    TakeGradientsPass()(model)
    model.graph.outputs[2].name = "w_grad"
    v = noise(3)
    assert apply(FreezeWeightsPass({"v": ir.tensor(v, name="v"), "w": ir.tensor(v, name="w")}, ["w"]), model)
    assert [value.name for value in model.graph.inputs] == ["a", "labels", "w"]
    frozen = model.graph.initializers["v"].const_value
    assert frozen is not None
    np.testing.assert_array_equal(frozen.numpy(), v)
    assert "w" not in model.graph.initializers


@pytest.mark.parametrize("trained", [["w", "v"], ["v", "w"]])
def test_trained_parameters_come_in_the_given_order(trained: list[str]) -> None:
    """ORT's order is that of a set; bundles must not depend on it."""
    model = parse(
        """g (float[n,3] a, float[3] v, int64[n] labels, float[3] w) => (float[3] v_grad, float[n,3] y, float[3] w_grad)
        { y = Mul(a, w)  v_grad = Neg(v)  w_grad = Neg(w) }"""
    )
    FreezeWeightsPass({}, trained)(model)
    assert [value.name for value in model.graph.inputs] == ["a", "labels", *trained]
    assert [value.name for value in model.graph.outputs] == ["y", *(f"{name}_grad" for name in trained)]


@covers("CountCorrectPass")
def test_right_answers_are_counted() -> None:
    """`correct` takes the place of the logits; the loss gets its name."""
    model = parse(
        """g (float[n,3] logits_in, int64[n] labels) => (float anything, float[n,3] logits) {
        logits = Identity(logits_in)
        anything, log_prob = SoftmaxCrossEntropyLoss(logits, labels) }"""
    )
    assert apply(CountCorrectPass(), model)
    assert [value.name for value in model.graph.outputs] == ["loss", "correct"]
    logits = np.array([[1, 2, 3], [3, 2, 1], [0, 5, 1], [9, 0, 0]], np.float32)
    found = run(model, {"logits_in": logits, "labels": np.array([2, 0, 0, 1])})
    assert found["correct"] == 2
    assert found["correct"].dtype == np.int64


@covers("LowerTrainingOperatorsPass")
def test_lowering_leaves_only_the_default_domain() -> None:
    model = parse("g (float[n,3] dy, float[n,3] v) => (float[n,3] dx) { dx = com.microsoft.ReluGrad(dy, v) }")
    assert apply(LowerTrainingOperatorsPass(), model)
    assert operators(model) == ["Greater", "Where"]
    assert set(model.graph.opset_imports) == {""}
