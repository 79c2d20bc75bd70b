"""What moves, splits or scales tensors gives the numbers of ONNX Runtime and of PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from support.covers import covers
from support.lowering import assert_close, leaf, lowered, normal
from support.onnx_models import parse, run


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
