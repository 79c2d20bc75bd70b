"""The gradient of ReLU is that of ONNX Runtime and of PyTorch; test_activations.py holds those of the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support.covers import covers
from support.lowering import leaf, lowered, normal
from support.onnx_models import parse, run


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
