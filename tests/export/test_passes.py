"""Each pass changes what it is for, leaves the rest alone, says which of both it did, and keeps the numbers."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch.nn import functional

from support.onnx_models import operators, parse, run
from tbft_artifacts.errors import TbftError
from tbft_export.compile.gradient import build_training_model
from tbft_export.passes.count_correct import CountCorrectPass
from tbft_export.passes.fold_constants import LARGEST_FOLDED, FoldConstantsPass
from tbft_export.passes.fold_pad import FoldPadPass
from tbft_export.passes.freeze_batch_norm import FreezeBatchNormPass
from tbft_export.passes.freeze_weights import FreezeWeightsPass
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass
from tbft_export.passes.quicken_averages import QuickenAveragesPass
from tbft_export.passes.remove_training_leftovers import RemoveTrainingLeftoversPass
from tbft_export.passes.restore_activations import RestoreActivationsPass
from tbft_export.passes.results_last import ResultsLastPass
from tbft_export.passes.rewrite_average_pool import RewriteAveragePoolPass
from tbft_export.passes.stand_in_for_activations import StandInForActivationsPass
from tbft_export.passes.take_gradients import TakeGradientsPass
from tbft_export.passes.use_batch_statistics import UseBatchStatisticsPass
from tbft_export.passes.write_out_activations import WriteOutActivationsPass
from tbft_export.pipeline import PassRunner, after_gradient, before_gradient, check_standard

TOLERANCE = 1e-6
RELU = "g (float[n,3] x) => (float[n,3] y) { y = Relu(x) }"

Arrays = dict[str, np.ndarray]


def apply(step: ir.passes.PassBase, model: ir.Model) -> bool:
    """Run the pass in place and return what it says of itself."""
    result = step(model)
    assert result.model is model
    return result.modified


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize(
    "step",
    [
        FoldConstantsPass(frozenset()),
        FoldPadPass(),
        FreezeBatchNormPass(frozenset()),
        FreezeWeightsPass({}, []),
        LowerTrainingOperatorsPass(),
        QuickenAveragesPass(),
        RemoveTrainingLeftoversPass(),
        RestoreActivationsPass({}),
        ResultsLastPass(),
        RewriteAveragePoolPass({"x"}),
        StandInForActivationsPass(),
        TakeGradientsPass(),
        UseBatchStatisticsPass(),
        WriteOutActivationsPass(),
    ],
    ids=lambda step: type(step).__name__,
)
def test_a_graph_without_its_pattern_is_not_modified(step: ir.passes.PassBase) -> None:
    """CountCorrectPass is not here: it stands for one graph and always changes it."""
    model = parse(RELU)
    assert not apply(step, model)
    assert operators(model) == ["Relu"]


# QuickenAveragesPass


def test_slow_averages_become_quicker_and_others_stay() -> None:
    """0.99 and 0.5 of the old average are kept here; 0.9 is PyTorch's default."""
    weights = {name: np.ones(3, np.float32) for name in ("s", "b", "m", "v")}
    model = parse(
        """g (float[n,3,2,2] x) => (float[n,3,2,2] y) {
            a = BatchNormalization<momentum = 0.99>(x, s, b, m, v)
            y = BatchNormalization<momentum = 0.5>(a, s, b, m, v) }""",
        **weights,
    )
    assert apply(QuickenAveragesPass(), model)
    assert [round(node.attributes.get_float("momentum"), 6) for node in model.graph] == [0.9, 0.5]


# RemoveTrainingLeftoversPass


def test_dropout_and_copies_are_removed() -> None:
    """A parameter read through Identity must be found by its own name."""
    model = parse(
        """g (float[n,3] x) => (float[n,3] y) {
            copied = Identity(w)
            a = Identity(x)
            b, mask = Dropout(a)
            y = Mul(b, copied) }""",
        w=normal(3),
    )
    x = normal(4, 3, seed=1)
    before = run(model, {"x": x})["y"]
    assert apply(RemoveTrainingLeftoversPass(), model)
    assert operators(model) == ["Mul"]
    assert [value.name for value in model.graph.node(0).inputs if value is not None] == ["x", "w"]
    np.testing.assert_array_equal(run(model, {"x": x})["y"], before)


def test_a_copy_that_is_an_output_stays() -> None:
    """The graph's output would lose its name."""
    model = parse("g (float[n,3] x) => (float[n,3] y) { y = Identity(x) }")
    assert not apply(RemoveTrainingLeftoversPass(), model)
    assert operators(model) == ["Identity"]


def test_batch_norm_leaves_training_mode() -> None:
    model = parse(
        """g (float[n,2,3,3] x, float[2] s, float[2] b, float[2] m, float[2] v) => (float[n,2,3,3] y)
        { y, m_new, v_new = BatchNormalization <training_mode=1> (x, s, b, m, v) }"""
    )
    feeds = {"x": normal(3, 2, 3, 3), "s": normal(2), "b": normal(2, seed=1), "m": normal(2, seed=2)}
    feeds["v"] = np.array([0.5, 2.0], np.float32)
    assert apply(RemoveTrainingLeftoversPass(), model)
    assert not apply(RemoveTrainingLeftoversPass(), model)
    tensors = {name: torch.from_numpy(value) for name, value in feeds.items()}
    expected = functional.batch_norm(tensors["x"], tensors["m"], tensors["v"], tensors["s"], tensors["b"])
    assert_same(run(model, feeds)["y"], expected.numpy())


# FoldConstantsPass


def test_shape_arithmetic_is_folded() -> None:
    """What depends on static dimensions alone becomes a tensor."""
    model = parse(
        """g (float[n,4,6] x) => (float[n,24] y) {
            dims = Shape <start=1> (x)
            last = ReduceProd <keepdims=1> (dims)
            keep = Constant <value_ints=[0]> ()
            target = Concat <axis=0> (keep, last)
            y = Reshape(x, target) }"""
    )
    x = normal(2, 4, 6)
    before = run(model, {"x": x})["y"]
    assert apply(FoldConstantsPass(frozenset()), model)
    assert operators(model) == ["Reshape"]
    np.testing.assert_array_equal(run(model, {"x": x})["y"], before)


def test_weights_are_never_folded() -> None:
    """A device replaces weights; what was computed from the old ones would stay."""
    model = parse(
        """g (float[n,3] x) => (float[n,3] y) {
            doubled = Add(w, w)
            squared = Mul(c, c)
            z = Mul(x, doubled)
            y = Mul(z, squared) }""",
        w=normal(3),
        c=normal(3, seed=1),
    )
    assert apply(FoldConstantsPass(frozenset({"w"})), model)
    assert operators(model) == ["Add", "Mul", "Mul"]
    assert {"w"} < set(model.graph.initializers)


def test_a_symbolic_batch_and_large_results_are_not_folded() -> None:
    model = parse(
        f"""g (float[n,3] x) => (int64[2] dims, float[{LARGEST_FOLDED + 1}] y) {{
            dims = Shape(x)
            y = Expand(one, size) }}""",
        one=np.ones(1, np.float32),
        size=np.array([LARGEST_FOLDED + 1]),
    )
    assert not apply(FoldConstantsPass(frozenset()), model)
    assert operators(model) == ["Shape", "Expand"]


# FreezeBatchNormPass and UseBatchStatisticsPass

NORM = """g (float[n,3,4,4] x, float[3] s, float[3] b, float[3] m, float[3] v) => (float[n,3,4,4] y)
    { y = BatchNormalization <epsilon=0.001> (x, s, b, m, v) }"""


def norm_feeds() -> Arrays:
    """One channel with a tiny variance: epsilon must be inside the root."""
    return {
        "x": normal(4, 3, 4, 4),
        "s": normal(3, seed=1),
        "b": normal(3, seed=2),
        "m": normal(3, seed=3),
        "v": np.array([1e-4, 0.5, 2.0], np.float32),
    }


def test_frozen_batch_norm_keeps_its_output() -> None:
    model, feeds = parse(NORM), norm_feeds()
    before = run(model, feeds)["y"]
    assert apply(FreezeBatchNormPass(frozenset()), model)
    assert "BatchNormalization" not in operators(model)
    np.testing.assert_allclose(run(model, feeds)["y"], before, rtol=1e-5, atol=1e-5)


def test_norms_that_use_the_batch_stay() -> None:
    """Named by their running mean, as plans name them."""
    model = parse(NORM)
    assert not apply(FreezeBatchNormPass(frozenset(), frozenset({"m"})), model)
    assert "BatchNormalization" in operators(model)
    assert apply(FreezeBatchNormPass(frozenset(), frozenset({"another"})), model)


def test_frozen_batch_norm_has_the_gradient_of_eval_mode() -> None:
    """ORT's gradient of what the pass writes is torch's in eval mode, for the input, the scale and the shift."""
    rng = np.random.default_rng(0)
    weights = {
        "s": rng.standard_normal(3, np.float32),
        "b": rng.standard_normal(3, np.float32),
        "m": rng.standard_normal(3, np.float32),
        "v": np.array([0.1, 0.5, 2.0], np.float32),
        "w": rng.standard_normal((5, 3), np.float32),
        "k": rng.standard_normal((3, 2, 1, 1)).astype(np.float32),
    }
    model = parse(
        """g (float[n,2,4,4] images) => (float[n,5] logits) {
            c = Conv(images, k)
            y = BatchNormalization <epsilon=0.001> (c, s, b, m, v)
            pooled = GlobalAveragePool(y)
            flat = Flatten(pooled)
            logits = Gemm <transB=1> (flat, w) }""",
        **weights,
    )
    trained = ["k", "s", "b", "w"]
    runner = PassRunner()
    prepared = runner.run(model, before_gradient((), ()))
    training = build_training_model(prepared, trained, ["m", "v"])
    tensors = {name: ir.tensor(value, name=name) for name, value in weights.items()}
    gradient = runner.run(training, after_gradient(tensors, trained))

    images, labels = normal(6, 2, 4, 4), np.array([0, 4, 1, 1, 3, 2])
    feeds = {"images": images, "labels": labels} | {name: weights[name] for name in trained}
    found = run(gradient, feeds)

    t = {name: torch.from_numpy(value).requires_grad_(name in trained) for name, value in weights.items()}
    y = functional.batch_norm(
        functional.conv2d(torch.from_numpy(images), t["k"]), t["m"], t["v"], t["s"], t["b"], False, 0.1, 0.001
    )
    logits = y.mean((2, 3)) @ t["w"].T
    loss = functional.cross_entropy(logits, torch.from_numpy(labels))
    expected = torch.autograd.grad(loss, [t[name] for name in trained])
    np.testing.assert_allclose(found["loss"], loss.item(), rtol=1e-6)
    assert found["correct"] == (logits.argmax(1).numpy() == labels).sum()
    for name, value in zip(trained, expected, strict=True):
        np.testing.assert_allclose(found[f"{name}_grad"], value, rtol=0, atol=1e-5 * float(value.abs().max()))


def test_batch_statistics_become_outputs() -> None:
    """Normalised by the biased variance; the unbiased one is handed out, as torch averages it."""
    model, feeds = parse(NORM), norm_feeds()
    assert apply(UseBatchStatisticsPass(), model)
    found = run(model, feeds)
    t = {name: torch.from_numpy(value.copy()) for name, value in feeds.items()}
    y = functional.batch_norm(t["x"], t["m"], t["v"], t["s"], t["b"], True, 1.0, 0.001)
    for name, expected in (("y", y), ("m.batch", t["m"]), ("v.batch", t["v"])):
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)


# RewriteAveragePoolPass

POOLS = {
    "tiles": ("kernel_shape=[2,4], strides=[2,4]", (8, 8), "ReduceMean"),
    "overlap": ("kernel_shape=[3,3], strides=[2,2]", (9, 8), "Conv"),
    "leaves a rest": ("kernel_shape=[2,2], strides=[2,2]", (7, 7), "Conv"),
    "stride 1": ("kernel_shape=[2,2]", (5, 5), "Conv"),
    "counts padding": ("kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], count_include_pad=1", (8, 8), "Conv"),
}


@pytest.mark.parametrize("case", list(POOLS))
def test_average_pool_is_rewritten(case: str) -> None:
    attributes, (height, width), operator = POOLS[case]
    model = parse(
        f"""g (float[n,3,{height},{width}] x) => (float[n,3,i,j] y) {{ y = AveragePool <{attributes}> (x) }}"""
    )
    x = normal(2, 3, height, width)
    before = run(model, {"x": x})["y"]
    assert apply(RewriteAveragePoolPass({"x"}), model)
    assert operator in operators(model)
    assert "AveragePool" not in operators(model)
    assert_same(run(model, {"x": x})["y"], before)


@pytest.mark.parametrize(
    "attributes", ["kernel_shape=[3,3], pads=[1,1,1,1]", "kernel_shape=[2,2], strides=[2,2], ceil_mode=1"]
)
def test_average_pool_refuses_windows_of_unequal_weight(attributes: str) -> None:
    """At the border such windows divide by fewer pixels, which no convolution does."""
    model = parse(f"g (float[n,3,7,7] x) => (float[n,3,i,j] y) {{ y = AveragePool <{attributes}> (x) }}")
    with pytest.raises(TbftError, match="operator AveragePool at node 'AveragePool_0' has no gradient here"):
        RewriteAveragePoolPass({"x"})(model)


def test_average_pool_before_what_is_trained_is_left_alone() -> None:
    """No gradient passes through it, so any window will do."""
    pool = "p = AveragePool <kernel_shape=[2,2], ceil_mode=1> (x)"
    model = parse(f"g (float[n,3,7,7] x, float[3] w) => (float[n,3,i,j] y) {{ {pool} y = Mul(p, w) }}")
    assert not apply(RewriteAveragePoolPass({"w"}), model)


# The passes over ORT's training graph

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


def test_gradients_become_outputs() -> None:
    model = training_graph()
    assert apply(TakeGradientsPass(), model)
    assert "com.microsoft::InPlaceAccumulatorV2" not in operators(model)
    gradient = model.graph.outputs[2]
    assert (gradient.name, tuple(gradient.shape or ())) == ("total", (3,))


def test_frozen_weights_become_initializers_and_buffers_go() -> None:
    """Inputs are then the activation, the labels and what is trained."""
    model = training_graph()
    TakeGradientsPass()(model)
    model.graph.outputs[2].name = "w_grad"
    v = normal(3)
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


def test_lowering_leaves_only_the_default_domain() -> None:
    model = parse("g (float[n,3] dy, float[n,3] v) => (float[n,3] dx) { dx = com.microsoft.ReluGrad(dy, v) }")
    assert apply(LowerTrainingOperatorsPass(), model)
    assert operators(model) == ["Greater", "Where"]
    assert set(model.graph.opset_imports) == {""}


# The pipeline


def test_what_is_not_standard_is_named() -> None:
    check_standard(parse(RELU))
    model = parse("g (float[n,3] x) => (float[n,3] y) { y = com.microsoft.QuickGelu(x) }")
    with pytest.raises(TbftError, match="microsoft::QuickGelu at node 'QuickGelu_0' is not standard ONNX"):
        check_standard(model)


def test_the_graph_is_dumped_after_the_named_pass_only(capfd: pytest.CaptureFixture[str]) -> None:
    runner = PassRunner(dump_after="RemoveTrainingLeftoversPass")
    runner.run(parse(RELU), [RemoveTrainingLeftoversPass(), RewriteAveragePoolPass({"x"})])
    output, errors = capfd.readouterr()
    assert output == ""
    assert errors.count("# after ") == 1
    assert errors.startswith("# after RemoveTrainingLeftoversPass\n")
    assert "Relu" in errors
