"""The gradient of MaxPool is that of ONNX Runtime and of PyTorch, whatever the windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from support.covers import covers
from support.drawn_convolutions import pair
from support.lowering import assert_close, leaf, lowered, normal
from support.onnx_models import parse, run
from support.trained_layers import assert_layer_trains
from tbft_artifacts.errors import TbftError
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass

few = settings(max_examples=60)


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


def test_volumes() -> None:
    """Any number of axes: the indices count over all of them."""
    text = "y = MaxPool<kernel_shape=[2,2,3], strides=[1,2,1]>(h)"
    assert_layer_trains(text, lambda h: functional.max_pool3d(h, (2, 2, 3), (1, 2, 1)), (2, 3, 4, 5))


def test_images_of_unknown_size_are_refused_by_name() -> None:
    model = parse(
        "g (float[n,2,h,w] dy, int64[n,2,h,w] i) => (float[n,2,a,b] dx) { dx = MaxPoolGrad<kernel_shape=[1,1]>(dy, i) }"
    )
    with pytest.raises(TbftError, match="operator MaxPool at node 'MaxPoolGrad_0' reads an image whose size") as caught:
        LowerTrainingOperatorsPass()(model)
    assert "train a block behind it" in caught.value.hint
