"""Padding that a layer leaves to be found is said in numbers, and the layer computes what it did."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from support.covers import covers
from support.onnx_models import parse, run
from support.passes import apply, assert_same, noise
from support.trained_layers import assert_layer_trains
from tbft_export.passes.explicit_padding import ExplicitPaddingPass

CHANNELS = 2


def _weights(operator: str, kernel: int) -> dict[str, np.ndarray]:
    return {"w": noise(CHANNELS, CHANNELS, kernel, kernel, seed=1)} if "Conv" in operator else {}


@covers("ExplicitPaddingPass")
@given(
    operator=st.sampled_from(["Conv", "MaxPool", "AveragePool", "ConvTranspose"]),
    auto_pad=st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID"]),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    size=st.tuples(st.integers(4, 7), st.integers(4, 7)),
)
@settings(max_examples=60)
def test_auto_pad(operator: str, auto_pad: str, kernel: int, stride: int, size: tuple[int, int]) -> None:
    """As ONNX Runtime finds it."""
    for length in size:  # There it moves windows that leave gaps.
        assume((-(-length // stride) - 1) * stride + kernel - length >= -1)
    operands = "(x, w)" if "Conv" in operator else "(x)"
    attributes = f'kernel_shape=[{kernel},{kernel}], strides=[{stride},{stride}], auto_pad="{auto_pad}"'
    model = parse(
        f"g (float[n,{CHANNELS},{size[0]},{size[1]}] x) => (float[n,{CHANNELS},i,j] y) "
        f"{{ y = {operator} <{attributes}> {operands} }}",
        **_weights(operator, kernel),
    )
    x = noise(2, CHANNELS, *size)
    before = run(model, {"x": x})["y"]
    assert apply(ExplicitPaddingPass(), model)
    assert "auto_pad" not in model.graph[0].attributes
    assert_same(run(model, {"x": x})["y"], before)


@pytest.mark.parametrize("extra", ["", ', auto_pad="SAME_UPPER"', ', auto_pad="SAME_LOWER"'])
def test_the_size_of_a_transposed_convolution(extra: str) -> None:
    """It says what comes out, and what is cut off follows from that."""
    model = parse(
        f"g (float[n,{CHANNELS},4,5] x) => (float[n,{CHANNELS},8,8] y) "
        f"{{ y = ConvTranspose <strides=[2,2], output_shape=[8,8]{extra}> (x, w) }}",
        **_weights("Conv", 3),
    )
    x = noise(2, CHANNELS, 4, 5)
    before = run(model, {"x": x})["y"]
    assert apply(ExplicitPaddingPass(), model)
    assert "output_shape" not in model.graph[0].attributes
    assert_same(run(model, {"x": x})["y"], before)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_pools_that_round_up(operator: str, padding: int) -> None:
    model = parse(
        f"g (float[n,{CHANNELS},6,8] x) => (float[n,{CHANNELS},i,j] y) "
        f"{{ y = {operator} <kernel_shape=[3,3], strides=[2,2], pads=[{padding},{padding},{padding},{padding}], "
        "ceil_mode=1> (x) }"
    )
    x = noise(2, CHANNELS, 6, 8)
    before = run(model, {"x": x})["y"]
    assert apply(ExplicitPaddingPass(), model)
    assert "ceil_mode" not in model.graph[0].attributes
    assert_same(run(model, {"x": x})["y"], before)


@pytest.mark.parametrize(
    "layer",
    [
        "AveragePool <kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1], ceil_mode=1, count_include_pad=1> (x)",
        "MaxPool <kernel_shape=[2,2], strides=[2,2], pads=[0,0,1,1], ceil_mode=1> (x)",
        'MaxPool <kernel_shape=[2,2], dilations=[2,2], auto_pad="SAME_UPPER"> (x)',
        'Conv <kernel_shape=[1,1], strides=[3,3], auto_pad="SAME_UPPER"> (x, w)',
        "ConvTranspose <kernel_shape=[1,1], output_shape=[9,9]> (x, w)",
    ],
)
def test_what_runtimes_do_not_agree_on_stays(layer: str) -> None:
    model = parse(
        f"g (float[n,{CHANNELS},6,6] x) => (float[n,{CHANNELS},i,j] y) {{ y = {layer} }}", **_weights("Conv", 1)
    )
    assert not apply(ExplicitPaddingPass(), model)


def test_images_of_unknown_size_stay() -> None:
    model = parse(
        'g (float[n,2,h,w] x) => (float[n,2,i,j] y) { y = MaxPool <kernel_shape=[2,2], auto_pad="SAME_UPPER"> (x) }'
    )
    assert not apply(ExplicitPaddingPass(), model)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
def test_such_a_convolution_trains(auto_pad: str) -> None:
    """As networks of Keras have it: ConvMixer, MobileNets."""

    def layer(h: Tensor, w: Tensor) -> Tensor:
        pads = (0, 1, 0, 1) if auto_pad == "SAME_UPPER" else (1, 0, 1, 0)
        return functional.conv2d(functional.pad(h, pads), w, None, 2)

    text = f'y = Conv<auto_pad="{auto_pad}", strides=[2,2]>(h, w)'
    assert_layer_trains(text, layer, (CHANNELS, 6, 6), weights=_weights("Conv", 3))
