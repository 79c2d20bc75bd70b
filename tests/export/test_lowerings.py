"""Every lowering gives the numbers of ONNX Runtime's own operator and those of torch.autograd."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from support.convolutions import Convolution
from support.lowering import assert_close, leaf, lowered, normal
from support.onnx_models import operators, parse, run
from tbft_artifacts.errors import TbftError
from tbft_export.convolutions import depthwise
from tbft_export.graph.activations import ACTIVATIONS
from tbft_export.lowerings import conv
from tbft_export.lowerings.registry import all_lowerings, find_lowering, lowers
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass

# A chance of an example is worth more than many examples of it; they are the same on every run.
few = settings(max_examples=60, deadline=None, derandomize=True)

# test_winograd.py, test_average_pool.py and test_conv_rows.py compare these.
ELSEWHERE = {"ai.onnx::Conv", "ai.onnx::AveragePool", "ai.onnx::AveragePoolGrad", "tbft::ConvRowsGrad"}
# and test_activations.py these.
ELSEWHERE |= {f"tbft::{name}Grad" for name in ACTIVATIONS}
ELSEWHERE |= {f"com.microsoft::{name}" for name in ("SigmoidGrad", "QuickGelu", "QuickGeluGrad")}
TESTED: set[str] = set()


def covers(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Say which operators the decorated test compares."""
    TESTED.update(names)
    return lambda test: test


def test_every_lowering_is_tested() -> None:
    assert {lowering.operator for lowering in all_lowerings()} == TESTED | ELSEWHERE


def test_every_lowering_says_what_it_computes() -> None:
    """`tbft-edge ops` prints the first line of each docstring."""
    assert all(len(lowering.summary) > 10 for lowering in all_lowerings())


def test_a_second_lowering_of_an_operator_is_an_error() -> None:
    existing = find_lowering("com.microsoft", "ReluGrad")
    assert existing is not None
    with pytest.raises(ValueError, match=r"microsoft::ReluGrad has a lowering already: relu_grad"):
        lowers("com.microsoft", "ReluGrad")(existing.function)
    assert find_lowering("com.microsoft", "ReluGrad") is existing


# Convolution


def pair(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def convolutions(draw: st.DrawFn, groups: st.SearchStrategy[int]) -> Convolution:
    count = draw(groups)
    return Convolution(
        batch=draw(st.integers(1, 3)),
        groups=count,
        channels=count * draw(st.integers(1, 3)),
        filters=count * draw(st.integers(1, 3)),
        kernel=draw(pair(1, 4)),
        image=draw(pair(3, 9)),
        strides=draw(pair(1, 3)),
        pads=draw(st.tuples(*[st.integers(0, 3)] * 4)),
        dilations=draw(pair(1, 2)),
    )


WANTED = st.sampled_from(["dx, dw, db", "dx, dw", '"", dw', "dx", 'dx, "", db', '"", dw, db'])

# Each form of dW: what chooses it, and an operator that only it has (dX may be a Conv too).
FORMS = {
    "matmuls": (st.just(1), 10**9, "MatMul"),
    "im2col": (st.just(1), 0, "Gemm"),
    "conv": (st.integers(2, 4), 10**9, "Conv"),
}


@covers("com.microsoft::ConvGrad")
@pytest.mark.parametrize("form", list(FORMS))
@given(data=st.data(), outputs=WANTED, seed=st.integers(0, 99))
@few
def test_conv_grad(form: str, data: st.DataObject, outputs: str, seed: int) -> None:
    groups, largest, operator = FORMS[form]
    convolution = data.draw(convolutions(groups))
    assume(min(convolution.output) >= 1)
    feeds, text = convolution.feeds(seed), convolution.gradient(outputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv, "LARGEST_MATMUL_CHANNELS", largest)
        patch.setattr(conv, "FEWEST_MATMUL_CHANNELS", 0)
        found, used = lowered(text, feeds)
    assert operator in used or "dw" not in outputs or convolution.groups == convolution.channels == convolution.filters
    expected = convolution.torch(feeds)
    assert_close(found, {name: expected[name] for name in found})
    assert_close(found, run(parse(text), feeds))


# Each form of a depthwise convolution: how large an image band matrices take, and from how many pixels on products
# with shifted images take over.
DEPTHWISE_FORMS = {"bands": (10**9, 10**9), "products": (10**9, 0), "conv": (0, 0)}


@pytest.mark.parametrize("form", list(DEPTHWISE_FORMS))
@given(
    channels=st.integers(2, 5),
    kernel=st.sampled_from([(3, 3), (5, 5), (2, 4)]),
    image=pair(5, 11),
    strides=pair(1, 2),
    pads=st.tuples(*[st.integers(0, 3)] * 4),
    dilations=pair(1, 2),
    outputs=WANTED,
)
@few
def test_conv_grad_of_a_depthwise_convolution(
    form: str,
    channels: int,
    kernel: tuple[int, int],
    image: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    outputs: str,
) -> None:
    """Every form, with any padding on any side: TensorFlow's is one larger at the end."""
    convolution = Convolution(2, channels, channels, channels, kernel, image, strides, pads, dilations)
    assume(min(convolution.output) >= 1)
    widest, fewest = DEPTHWISE_FORMS[form]
    feeds, text = convolution.feeds(0), convolution.gradient(outputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(depthwise, "WIDEST_IMAGE", widest)
        patch.setattr(depthwise, "WIDEST_IMAGE_OF_WEIGHTS", widest)
        patch.setattr(depthwise, "FEWEST_POSITIONS", 0)
        patch.setattr(conv, "FEWEST_PRODUCT_PIXELS", fewest)
        found, used = lowered(text, feeds)
        y, forward = lowered(convolution.forward(), {"x": feeds["x"], "w": feeds["w"]})
    assert ("MatMul" in forward) == (form != "conv")
    without_stride = strides == (1, 1)
    if outputs == '"", dw' and form != "bands":
        products = without_stride and (form == "conv" or math.prod(kernel) <= 9)
        assert ("Mul" in used) == products
    expected = convolution.torch(feeds)
    assert_close(found | y, {name: expected[name] for name in [*found, "y"]})
    assert_close(found, run(parse(text), feeds))


def test_frozen_filters_stay_a_convolution() -> None:
    """ONNX Runtime packs them once, and then its own kernel is the fastest on x86-64."""
    convolution = Convolution(2, 4, 4, 4, (5, 5), (6, 6), (1, 1), (2, 2, 2, 2), (1, 1))
    feeds = convolution.feeds(0)
    for text in (convolution.forward(), convolution.gradient("dx")):
        model = parse(text)
        w = next(value for value in model.graph.inputs if value.name == "w")
        model.graph.inputs.remove(w)
        w.const_value = ir.tensor(feeds["w"], name="w")
        model.graph.register_initializer(w)
        assert "Conv" in operators(LowerTrainingOperatorsPass()(model).model)
        assert "Conv" not in lowered(text, feeds if "dy" in text else {"x": feeds["x"], "w": feeds["w"]})[1]


@pytest.mark.parametrize(("stride", "operator"), [(1, "Conv"), (2, "ConvTranspose")])
@pytest.mark.parametrize("groups", [2, 6])
def test_the_form_of_dx(stride: int, operator: str, groups: int) -> None:
    """Groups alone are no reason for ConvTranspose, which has no fast kernel for frozen filters."""
    convolution = Convolution(2, groups, 6, 6, (3, 3), (7, 7), (stride, stride), (1, 1, 1, 1), (1, 1))
    _, used = lowered(convolution.gradient("dx"), convolution.feeds(0))
    assert operator in used


RESNET_LAYERS = {
    "3x3": (1, (3, 3), (1, 1), 1, (8, 8)),
    "3x3, stride 2, odd image": (1, (3, 3), (2, 2), 1, (9, 7)),
    "1x1": (1, (1, 1), (1, 1), 0, (5, 5)),
    "1x1, stride 2, even image": (1, (1, 1), (2, 2), 0, (6, 6)),
    "7x7 stem": (1, (7, 7), (2, 2), 3, (16, 16)),
    "depthwise": (4, (3, 3), (2, 2), 1, (8, 8)),
}


@pytest.mark.parametrize("layer", list(RESNET_LAYERS))
def test_conv_grad_of_the_layers_of_a_resnet(layer: str) -> None:
    """The cases that matter most, whatever hypothesis draws."""
    groups, kernel, strides, pad, image = RESNET_LAYERS[layer]
    convolution = Convolution(2, groups, 4, 8, kernel, image, strides, (pad,) * 4, (1, 1))
    feeds, text = convolution.feeds(0), convolution.gradient("dx, dw")
    found, _ = lowered(text, feeds)
    expected = convolution.torch(feeds)
    assert_close(found, {"dx": expected["dx"], "dw": expected["dw"]})
    assert_close(found, run(parse(text), feeds))


@pytest.mark.parametrize(("channels", "operator"), [(7, "Gemm"), (8, "MatMul"), (64, "MatMul"), (65, "Gemm")])
def test_conv_grad_takes_one_gemm_for_few_and_for_many_channels(channels: int, operator: str) -> None:
    """A MatMul per kernel position pays from 8 input channels on, up to 64 x 64."""
    convolution = Convolution(1, 1, channels, 64, (3, 3), (3, 3), (1, 1), (1, 1, 1, 1), (1, 1))
    feeds = convolution.feeds(0)
    found, used = lowered(convolution.gradient('"", dw'), feeds)
    assert operator in used
    assert_close(found, {"dw": convolution.torch(feeds)["dw"]})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            """g (float[n,2,5] dy, float[n,2,5] x, float[2,2,1] w) => (float[2,2,1] dw)
            { "", dw = com.microsoft.ConvGrad <kernel_shape=[1]> (dy, x, w) }""",
            "is not a 2-D convolution",
        ),
        (
            """g (float[n,2,5,5] dy, float[n,2,5,5] x, float[2,2,3,3] w) => (float[2,2,3,3] dw)
            { "", dw = com.microsoft.ConvGrad <kernel_shape=[3,3], auto_pad="SAME_UPPER"> (dy, x, w) }""",
            "uses auto_pad",
        ),
        (
            """g (float[n,2,h,w] dy, float[n,2,h,w] x, float[2,2,1,1] f) => (float[2,2,1,1] dw)
            { "", dw = com.microsoft.ConvGrad <kernel_shape=[1,1]> (dy, x, f) }""",
            "reads an image whose size is not known",
        ),
    ],
)
def test_conv_grad_refuses(text: str, reason: str) -> None:
    with pytest.raises(TbftError, match=f"operator ConvGrad at node 'ConvGrad_0' {reason}"):
        LowerTrainingOperatorsPass()(parse(text))


# Activations and pooling


@covers("com.microsoft::ReluGrad")
@pytest.mark.parametrize("given_value", ["x", "y"])
def test_relu_grad(given_value: str) -> None:
    """ORT gives the input or the output of Relu; the gradient at 0 is 0."""
    rng = np.random.default_rng(0)
    x = np.round(normal(rng, 3, 4, 5, 5), 1)  # A twentieth of them are 0 or -0.
    assert (x == 0).any()
    feeds = {"dy": normal(rng, *x.shape), "v": x if given_value == "x" else np.maximum(x, 0)}
    text = "g (float[n,4,5,5] dy, float[n,4,5,5] v) => (float[n,4,5,5] dx) { dx = com.microsoft.ReluGrad(dy, v) }"
    found, _ = lowered(text, feeds)
    np.testing.assert_array_equal(found["dx"], run(parse(text), feeds)["dx"])
    image = leaf(x)
    (expected,) = torch.autograd.grad(torch.relu(image), image, torch.from_numpy(feeds["dy"]))
    np.testing.assert_array_equal(found["dx"], expected.numpy())


@covers("ai.onnx::MaxPoolGrad")
@given(
    kernel=pair(1, 3),
    strides=pair(1, 3),
    pad=st.integers(0, 1),
    dilation=st.integers(1, 2),
    ceil=st.booleans(),
    image=pair(5, 9),
    ties=st.booleans(),
    seed=st.integers(0, 99),
)
@few
def test_max_pool_grad(
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pad: int,
    dilation: int,
    ceil: bool,
    image: tuple[int, int],
    ties: bool,
    seed: int,
) -> None:
    """Windows may overlap, leave gaps, or hold their maximum twice: then the first one takes it all."""
    assume(2 * pad <= min(kernel))
    rng = np.random.default_rng(seed)
    x = normal(rng, 2, 3, *image)
    if ties:
        x = np.round(x)
    tensor = leaf(x)
    y = functional.max_pool2d(tensor, kernel, strides, pad, dilation, ceil_mode=ceil)
    # ORT 1.19 lets a window of a rounded-up size start behind the image, PyTorch drops it.
    reach = [size + 2 * pad - dilation * (length - 1) - 1 for size, length in zip(image, kernel, strict=True)]
    assume(not ceil or all(y.shape[2 + axis] == -(-reach[axis] // strides[axis]) + 1 for axis in (0, 1)))
    dy = normal(rng, *y.shape)
    (expected,) = torch.autograd.grad(y, tensor, torch.from_numpy(dy))

    def text(batch: str) -> str:
        attributes = f"""kernel_shape={list(kernel)}, strides={list(strides)}, pads={[pad] * 4},
            dilations={[dilation] * 2}, ceil_mode={int(ceil)}"""
        shape, pooled = f"{batch},3,{image[0]},{image[1]}", f"{batch},3,{y.shape[2]},{y.shape[3]}"
        return f"""g (float[{shape}] x, float[{pooled}] dy) => (float[{shape}] dx) {{
            y, mask = MaxPool <{attributes}> (x)
            dx = MaxPoolGrad <{attributes}> (dy, mask) }}"""

    feeds = {"x": x, "dy": dy}
    found, _ = lowered(text("n"), feeds)
    assert_close(found, {"dx": expected})
    assert_close(found, run(parse(text("2")), feeds))  # ORT's kernel needs a fixed batch.


# Batch norm


@covers("com.microsoft::BatchNormInternal", "com.microsoft::BatchNormalizationGrad")
@pytest.mark.parametrize("shape", [(4, 3, 5, 6), (7, 5, 1, 1), (6, 4)], ids=str)
@pytest.mark.parametrize("epsilon", [1e-5, 1e-3])
def test_batch_norm(shape: tuple[int, ...], epsilon: float) -> None:
    """Output, gradients and statistics; the variance handed out is the unbiased one, as in PyTorch."""
    rng = np.random.default_rng(0)
    channels, count = shape[1], np.prod(shape) / shape[1]
    feeds = {
        "x": 2 * normal(rng, *shape) + 3,
        "dy": normal(rng, *shape),
        "gamma": normal(rng, channels),
        "beta": normal(rng, channels),
        "rm": normal(rng, channels),
        "rv": np.abs(normal(rng, channels)),
    }
    image = ",".join(["n", *map(str, shape[1:])])
    inputs = f"float[{image}] x, float[{image}] dy, " + ", ".join(
        f"float[{channels}] {name}" for name in ("gamma", "beta", "rm", "rv")
    )
    gradients = f"float[{image}] y, float[{image}] dx, float[{channels}] dgamma, float[{channels}] dbeta"
    body = f"""{{
        y, rm_new, rv_new, mean, inv_std = com.microsoft.BatchNormInternal <epsilon={epsilon}, momentum=0.9>
            (x, gamma, beta, rm, rv)
        dx, dgamma, dbeta = com.microsoft.BatchNormalizationGrad <epsilon={epsilon}> (dy, x, gamma, mean, inv_std) }}"""
    running = f"float[{channels}] rm_new, float[{channels}] rv_new"
    oracle = run(parse(f"g ({inputs}) => ({gradients}, {running}) {body}"), feeds)
    found, _ = lowered(f"g ({inputs}) => ({gradients}) {body}", feeds)
    found["rm_new"] = 0.9 * feeds["rm"] + 0.1 * found["rm.batch"]
    found["rv_new"] = 0.9 * feeds["rv"] + 0.1 * found["rv.batch"]

    biased = found["rv.batch"] * (count - 1) / count  # ORT averages the biased variance.
    assert_close(found, {name: value for name, value in oracle.items() if name != "rv_new"})
    assert_close({"rv_new": 0.9 * feeds["rv"] + 0.1 * biased}, {"rv_new": oracle["rv_new"]})

    x, gamma, beta = leaf(feeds["x"]), leaf(feeds["gamma"]), leaf(feeds["beta"])
    mean, variance = torch.from_numpy(feeds["rm"].copy()), torch.from_numpy(feeds["rv"].copy())
    y = functional.batch_norm(x, mean, variance, gamma, beta, training=True, momentum=0.1, eps=epsilon)
    dx, dgamma, dbeta = torch.autograd.grad(y, (x, gamma, beta), torch.from_numpy(feeds["dy"]))
    expected = {"y": y, "dx": dx, "dgamma": dgamma, "dbeta": dbeta, "rm_new": mean, "rv_new": variance}
    assert_close(found, expected)


# Loss

LOSS = """g (float[n,5] logits, int64[n] labels, float dloss) => (float loss, float[n,5] log_prob, float[n,5] dlogits) {
    loss, log_prob = SoftmaxCrossEntropyLoss <reduction="mean"> (logits, labels)
    dlogits = com.microsoft.SoftmaxCrossEntropyLossGrad <reduction="mean"> (dloss, log_prob, labels) }"""


@covers("ai.onnx::SoftmaxCrossEntropyLoss", "com.microsoft::SoftmaxCrossEntropyLossGrad")
@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("scale", [1.0, 40.0], ids=["usual", "overconfident"])
def test_cross_entropy(batch: int, scale: float) -> None:
    """Logits far apart must neither overflow nor lose the gradient."""
    rng = np.random.default_rng(batch)
    logits, labels = leaf(np.float32(scale) * normal(rng, batch, 5)), rng.integers(0, 5, batch)
    feeds = {"logits": logits.detach().numpy(), "labels": labels, "dloss": np.array(0.7, np.float32)}
    loss = functional.cross_entropy(logits, torch.from_numpy(labels))
    (gradient,) = torch.autograd.grad(0.7 * loss, logits)
    found, _ = lowered(LOSS, feeds)
    assert_close(found, {"loss": loss, "dlogits": gradient})
    assert_close(found, run(parse(LOSS), feeds))


@pytest.mark.parametrize("operator", ["SoftmaxCrossEntropyLoss", "SoftmaxCrossEntropyLossGrad"])
@pytest.mark.parametrize(
    "change",
    [('reduction="mean"', 'reduction="sum"'), ('reduction="mean"', "ignore_index=-1"), ("labels)", "labels, weights)")],
    ids=["sum", "ignore_index", "class weights"],
)
def test_cross_entropy_refuses(operator: str, change: tuple[str, str]) -> None:
    """Silently leaving out weights or ignored labels would train something else."""
    lines = LOSS.replace("float dloss)", "float dloss, float[5] weights)").splitlines()
    position = next(index for index, line in enumerate(lines) if f"{operator} " in line)
    lines[position] = lines[position].replace(*change)
    with pytest.raises(TbftError, match=f"operator {operator} at node '{operator}_{position - 1}' uses class weights"):
        LowerTrainingOperatorsPass()(parse("\n".join(lines)))


# Moving and scaling


@covers("com.microsoft::Scale")
@pytest.mark.parametrize(("down", "expected"), [(1, 0.25), (0, 4.0)])
@pytest.mark.parametrize("dtype", ["int64", "float"])
def test_scale(down: int, expected: float, dtype: str) -> None:
    text = f"""g (float[n,3] x, {dtype} s) => (float[n,3] y)
        {{ y = com.microsoft.Scale <scale_down={down}> (x, s) }}"""
    x = normal(np.random.default_rng(0), 4, 3)
    feeds = {"x": x, "s": np.array(4, np.int64 if dtype == "int64" else np.float32)}
    found, _ = lowered(text, feeds)
    assert_close(found, {"y": x * np.float32(expected)})
    assert_close(found, run(parse(text), feeds))


@covers("com.microsoft::ConcatTraining", "com.microsoft::SplitTraining")
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_concat_and_split(axis: int) -> None:
    """The lengths that Concat hands out let Split cut its gradient; also along the batch, which is not known."""
    rng = np.random.default_rng(0)
    shapes = [[2, 3, 4], [2, 3, 4], [2, 3, 4]]
    for index, shape in enumerate(shapes):
        shape[axis] = index + 1
    total = [2, 3, 4]
    total[axis] = 6
    feeds = {name: normal(rng, *shape) for name, shape in zip("abc", shapes, strict=True)}
    feeds["dy"] = normal(rng, *total)
    inputs = ", ".join(
        f"float[n{name},{shape[1]},{shape[2]}] {name}" for name, shape in zip("abc", shapes, strict=True)
    )
    text = f"""g ({inputs}, float[m,{total[1]},{total[2]}] dy)
        => (float[m,{total[1]},{total[2]}] y, int64[3] lengths, float[i,j,k] da, float[l,o,p] db, float[q,r,s] dc) {{
        y, lengths = com.microsoft.ConcatTraining <axis={axis}> (a, b, c)
        da, db, dc = com.microsoft.SplitTraining <axis={axis}> (dy, lengths) }}"""
    found, _ = lowered(text, feeds)
    parts = [leaf(feeds[name]) for name in "abc"]
    y = torch.cat(parts, dim=axis)
    gradients = torch.autograd.grad(y, parts, torch.from_numpy(feeds["dy"]))
    assert_close(found, {"y": y, **dict(zip(("da", "db", "dc"), gradients, strict=True))})
    np.testing.assert_array_equal(found["lengths"], [1, 2, 3])
    assert_close(found, run(parse(text), feeds))


# What has no lowering


def test_an_operator_without_a_lowering_is_named() -> None:
    text = "g (float[n,3] dy, float[n,3] x) => (float[n,3] dx) { dx = com.microsoft.GeluGrad(dy, x) }"
    with pytest.raises(TbftError, match="microsoft::GeluGrad at node 'GeluGrad_0' has no lowering"):
        LowerTrainingOperatorsPass()(parse(text))
