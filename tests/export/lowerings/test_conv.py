"""The gradient of a convolution is that of ONNX Runtime and of PyTorch, in every form in which it is written."""

from __future__ import annotations

import math

import onnx_ir as ir
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.convolutions import Convolution
from support.covers import covers
from support.drawn_convolutions import any_convolution, pair
from support.lowering import assert_close, lowered
from support.onnx_models import operators, parse, run
from tbft_artifacts.errors import TbftError
from tbft_export.convolutions import depthwise
from tbft_export.lowerings import conv
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass

few = settings(max_examples=60)


def convolutions(groups: st.SearchStrategy[int]) -> st.SearchStrategy[Convolution]:
    return any_convolution(groups, per_group=st.integers(1, 3), kernel=pair(1, 4), image=pair(3, 9))


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
