"""Run a pass over a small graph, and compare what the graph computes. Host only."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

TOLERANCE = 1e-6


def apply(step: ir.passes.PassBase, model: ir.Model) -> bool:
    """Run the pass in place and return what it says of itself."""
    result = step(model)
    assert result.model is model
    return result.modified


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal float32, the same for a seed."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    """But for rounding, of the largest value."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())
