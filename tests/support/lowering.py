"""Lower small graphs, and compare what they give. Host only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from support.onnx_models import operators, parse, run
from tbft_artifacts.plan import ConvolutionForm
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass

# Of the largest element: what float32 sums of some hundred products lose.
TOLERANCE = 1e-5

Arrays = dict[str, np.ndarray]


def lowered(text: str, feeds: Arrays, form: ConvolutionForm = "direct") -> tuple[Arrays, list[str]]:
    """Outputs of a graph after lowering, and its operators."""
    model = LowerTrainingOperatorsPass(form)(parse(text)).model
    assert not [name for name in operators(model) if "::" in name]
    return run(model, feeds), operators(model)


def assert_close(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray | Tensor]) -> None:
    """`found` may hold more."""
    for name, value in expected.items():
        array = value.detach().numpy() if isinstance(value, Tensor) else value
        atol = TOLERANCE * max(float(np.abs(array).max(initial=0)), 1e-3)
        np.testing.assert_allclose(found[name], array, rtol=0, atol=atol, err_msg=name)


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


def leaf(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).requires_grad_(True)
