"""Gradients of layer norms, with and without a mean, are PyTorch's and ONNX Runtime's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from support.covers import covers
from support.lowering import assert_close, leaf, lowered, normal
from support.onnx_models import parse, run


@covers("com.microsoft::LayerNormalizationGrad")
@pytest.mark.parametrize("axis", [-1, 1, 2])
@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_layer_normalization_grad(axis: int, offset: float) -> None:
    """Over the last axis or several, also far from 0."""
    rng = np.random.default_rng(0)
    x, dy = normal(rng, 4, 5, 6) + np.float32(offset), normal(rng, 4, 5, 6)
    sizes = x.shape[axis:]
    scale, bias = normal(rng, *sizes), normal(rng, *sizes)
    leaves = [leaf(each) for each in (x, scale, bias)]
    y = functional.layer_norm(leaves[0], sizes, leaves[1], leaves[2])
    expected = torch.autograd.grad(y, leaves, torch.from_numpy(dy))
    shape = ",".join(map(str, sizes))
    text = f"""g (float[n,5,6] dy, float[n,5,6] x, float[{shape}] scale, float[{shape}] bias)
        => (float[n,5,6] dx, float[{shape}] dscale, float[{shape}] dbias) {{
        y, mean, inverse = LayerNormalization <axis={axis}> (x, scale, bias)
        dx, dscale, dbias = com.microsoft.LayerNormalizationGrad <axis={axis}> (dy, x, scale, mean, inverse) }}"""
    feeds = {"dy": dy, "x": x, "scale": scale, "bias": bias}
    found, _ = lowered(text, feeds)
    assert_close(found, dict(zip(("dx", "dscale", "dbias"), expected, strict=True)))
    assert_close(found, run(parse(text), feeds))


@covers("ai.onnx::SimplifiedLayerNormalization", "com.microsoft::SimplifiedLayerNormalizationGrad")
@pytest.mark.parametrize("wanted", ["dx, dscale", "dx", "dscale"])
def test_simplified_layer_normalization(wanted: str) -> None:
    """Forward and backward of RMSNorm."""
    rng = np.random.default_rng(0)
    x, scale, dy = normal(rng, 4, 5, 6), normal(rng, 6), normal(rng, 4, 5, 6)
    image, factor = leaf(x), leaf(scale)
    y = functional.rms_norm(image, (6,), factor, 1e-3)
    gradients = torch.autograd.grad(y, (image, factor), torch.from_numpy(dy))
    outputs = {"dx": "float[n,5,6] dx", "dscale": "float[6] dscale"}
    listed = ", ".join(outputs[name] for name in wanted.split(", "))
    results = wanted if wanted != "dscale" else '"", dscale'
    text = f"""g (float[n,5,6] dy, float[n,5,6] x, float[6] scale) => (float[n,5,6] y, {listed}) {{
        y, inverse = SimplifiedLayerNormalization <axis=-1, epsilon=0.001> (x, scale)
        {results} = com.microsoft.SimplifiedLayerNormalizationGrad <axis=-1> (dy, x, scale, inverse) }}"""
    found, _ = lowered(text, {"dy": dy, "x": x, "scale": scale})
    expected = {"y": y} | {
        name: each for name, each in zip(("dx", "dscale"), gradients, strict=True) if name in wanted.split(", ")
    }
    assert found.keys() == expected.keys()
    assert_close(found, expected)
