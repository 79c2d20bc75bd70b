"""Transposed convolutions train as in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from support.covers import covers
from support.onnx_models import parse
from support.passes import noise
from support.trained_layers import assert_layer_trains
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import ConvolutionForm
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass


@covers("com.microsoft::ConvTransposeGrad")
@given(
    groups=st.sampled_from([1, 2, 4]),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.integers(0, 2),
    spare=st.integers(0, 2),
    form=st.sampled_from(["direct", "winograd"]),
)
@settings(max_examples=40)
def test_transposed_convolutions(
    groups: int,
    kernel: tuple[int, int],
    stride: int,
    dilation: int,
    padding: int,
    spare: int,
    form: ConvolutionForm,
) -> None:
    assume(spare < stride)
    assume(all(3 * stride + dilation * (size - 1) + 1 + spare > 2 * padding for size in kernel))

    def layer(h: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return functional.conv_transpose2d(h, w, b, stride, padding, spare, groups, dilation)

    attributes = (
        f"group={groups}, strides=[{stride},{stride}], dilations=[{dilation},{dilation}], "
        f"pads=[{padding},{padding},{padding},{padding}], output_padding=[{spare},{spare}]"
    )
    weights = {"w": noise(8, 8 // groups, *kernel), "b": noise(8)}
    assert_layer_trains(f"y = ConvTranspose<{attributes}>(h, w, b)", layer, (8, 4, 5), weights=weights, form=form)


def test_a_size_that_is_said_instead_of_the_padding() -> None:
    """As Keras has it: twice the size."""

    def layer(h: Tensor, w: Tensor) -> Tensor:
        return functional.conv_transpose2d(h, w, None, 2)[:, :, :-1, :-1]

    text = 'y = ConvTranspose<strides=[2,2], auto_pad="SAME_UPPER">(h, w)'
    assert_layer_trains(text, layer, (2, 4, 5), weights={"w": noise(2, 3, 3, 3)})


@pytest.mark.parametrize(
    ("shape", "attributes", "what"),
    [
        ("n,2,4,4", "strides=[2,2], output_padding=[2,0]", "adds a stride or more to its result"),
        ("n,2,4,4", "output_shape=[9,9]", "leaves its padding to be found"),
        ("n,2,4,4,4", "strides=[2,2,2]", "reads no image of known size"),
        ("n,2,h,w", "strides=[2,2]", "reads no image of known size"),
    ],
)
def test_others_are_refused_by_name(shape: str, attributes: str, what: str) -> None:
    kernel = (3, 3) + (3,) * (shape.count(",") - 3)
    model = parse(
        f"g (float[{shape}] x, float[n,3,i,j] dy) => (float[{shape}] dx) "
        f"{{ dx = com.microsoft.ConvTransposeGrad<{attributes}>(dy, x, w) }}",
        w=np.zeros((2, 3, *kernel), np.float32),
    )
    with pytest.raises(TbftError, match=f"ConvTransposeGrad_0' {what}") as caught:
        LowerTrainingOperatorsPass()(model)
    assert "train a block behind it" in caught.value.hint
