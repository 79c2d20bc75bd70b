"""Batch norm with the batch's statistics: forward and gradient are those of ONNX Runtime and of PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from support.covers import covers
from support.lowering import assert_close, leaf, lowered, normal
from support.onnx_models import parse, run


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
