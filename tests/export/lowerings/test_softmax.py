"""Gradients of softmax and its logarithm are PyTorch's and ONNX Runtime's, along any axis."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support.covers import covers
from support.lowering import assert_close, leaf, lowered, normal
from support.onnx_models import parse, run


@covers("com.microsoft::SoftmaxGrad_13", "com.microsoft::LogSoftmaxGrad_13")
@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2])
@pytest.mark.parametrize("operator", ["SoftmaxGrad_13", "LogSoftmaxGrad_13"])
def test_softmax_grad(operator: str, axis: int) -> None:
    """Also where one class has nearly all."""
    rng = np.random.default_rng(0)
    x, dy = 9 * normal(rng, 4, 5, 6), normal(rng, 4, 5, 6)
    image = leaf(x)
    y = torch.softmax(image, axis) if operator == "SoftmaxGrad_13" else torch.log_softmax(image, axis)
    (expected,) = torch.autograd.grad(y, image, torch.from_numpy(dy))
    text = f"""g (float[n,5,6] dy, float[n,5,6] y) => (float[n,5,6] dx)
        {{ dx = com.microsoft.{operator} <axis={axis}> (dy, y) }}"""
    feeds = {"dy": dy, "y": y.detach().numpy()}
    found, _ = lowered(text, feeds)
    assert_close(found, {"dx": expected})
    assert_close(found, run(parse(text), feeds))
