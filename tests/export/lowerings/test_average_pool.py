"""Average pools that tile the image: forward and gradient are PyTorch's, in both forms; others stay what they were."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from support.covers import covers
from support.drawn_convolutions import Pair, pair
from support.lowering import Arrays, assert_close, leaf, lowered, normal
from support.onnx_models import operators, parse
from tbft_artifacts.plan import ConvolutionForm
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass

few = settings(max_examples=60)
FORMS: list[ConvolutionForm] = ["winograd", "direct"]


def pool(kernel: Pair, image: Pair) -> str:
    attributes = f"kernel_shape={list(kernel)}, strides={list(kernel)}"
    rows, columns = image[0] // kernel[0], image[1] // kernel[1]
    return f"""g (float[n,3,{image[0]},{image[1]}] x, float[n,3,{rows},{columns}] dy)
        => (float[n,3,{rows},{columns}] y, float[n,3,{image[0]},{image[1]}] dx) {{
        y = AveragePool <{attributes}> (x)
        dx = AveragePoolGrad <{attributes}> (dy) }}"""


def expected(kernel: Pair, feeds: Arrays) -> dict[str, torch.Tensor]:
    x = leaf(feeds["x"])
    y = functional.avg_pool2d(x, kernel)
    (dx,) = torch.autograd.grad(y, x, torch.from_numpy(feeds["dy"]))
    return {"y": y, "dx": dx}


@covers("ai.onnx::AveragePool", "ai.onnx::AveragePoolGrad")
@pytest.mark.parametrize("form", FORMS)
@given(kernel=pair(1, 4), windows=pair(1, 4), batch=st.integers(1, 3), seed=st.integers(0, 99))
@few
def test_windows_that_tile_the_image(form: ConvolutionForm, kernel: Pair, windows: Pair, batch: int, seed: int) -> None:
    """One window is a global pool. The gradient goes to every pixel of a window alike."""
    image = (kernel[0] * windows[0], kernel[1] * windows[1])
    rng = np.random.default_rng(seed)
    feeds = {"x": normal(rng, batch, 3, *image), "dy": normal(rng, batch, 3, *windows)}
    found, used = lowered(pool(kernel, image), feeds, form)
    assert ("AveragePool" in used) == (form == "direct")  # ONNX Runtime has a good kernel for images.
    assert "AveragePoolGrad" not in used
    assert_close(found, expected(kernel, feeds))


OTHERS = {
    "overlap": ("g (float[n,3,9,9] x) => (float[n,3,4,4] y)", "kernel_shape=[3,3], strides=[2,2]"),
    "leave a rest": ("g (float[n,3,7,7] x) => (float[n,3,3,3] y)", "kernel_shape=[2,2], strides=[2,2]"),
    "padded": ("g (float[n,3,8,8] x) => (float[n,3,5,5] y)", "kernel_shape=[2,2], strides=[2,2], pads=[1,1,1,1]"),
    "one dimension": ("g (float[n,3,8] x) => (float[n,3,4] y)", "kernel_shape=[2], strides=[2]"),
    "unknown image": ("g (float[n,3,h,w] x) => (float[n,3,i,j] y)", "kernel_shape=[2,2], strides=[2,2]"),
}


@pytest.mark.parametrize("case", list(OTHERS))
@pytest.mark.parametrize("form", FORMS)
def test_other_windows_stay_as_they_are(form: ConvolutionForm, case: str) -> None:
    """In a frozen part: whatever it is, ONNX Runtime computes it."""
    signature, attributes = OTHERS[case]
    model = parse(f"{signature} {{ y = AveragePool <{attributes}> (x) }}")
    assert operators(LowerTrainingOperatorsPass(form)(model).model) == ["AveragePool"]
