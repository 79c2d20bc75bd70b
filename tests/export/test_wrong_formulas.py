"""A mistake in any formula is refused, whatever the network; `support.prove_self_check` shows it on large ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.refusals import refusal
from support.wrong_formulas import MISTAKES, mistaken
from tbft_export import ExportOptions
from tbft_export.check.measure import Answers, formula_errors, kernel_errors

NETWORKS = ("support.common_nets:residual", "support.mobile_models:mobilenet_v2_like")


@pytest.mark.long
@pytest.mark.parametrize("mistake", list(MISTAKES))
@pytest.mark.parametrize("network", NETWORKS)
def test_a_wrong_formula_is_refused(tmp_path: Path, network: str, mistake: str) -> None:
    """It is found in float64, so that it is the compiler's, and the message says by how much it is off, and where."""
    with mistaken(mistake):
        error = refusal(ExportOptions(network, drift="input", image_size=32), tmp_path)
    assert "both computed in float64" in error.message
    assert "plan input-batch-sgd" in error.message
    assert "times what it may be" in error.message


def _answers(loss: float = 1.0, **gradients: float) -> Answers:
    return Answers(loss, {name: np.array([value, 1.0]) for name, value in gradients.items()}, {})


def test_what_float32_loses_is_no_mistake() -> None:
    """A tensor may be off as far as PyTorch's own float32 is, several times, and no further."""
    exact, rounded = _answers(a=1.0, b=1.0), _answers(a=1.01, b=1.0)
    assert max(kernel_errors(_answers(a=0.95, b=1.0), exact, rounded).values()) < 1
    assert kernel_errors(_answers(a=1.0, b=0.95), exact, rounded)["b"] > 1
    assert kernel_errors(_answers(a=0.5, b=1.0), exact, rounded)["a"] > 1
    assert kernel_errors(_answers(a=float("nan"), b=1.0), exact, rounded)["a"] == np.inf


def test_what_lies_on_a_kink_exactly_is_no_mistake() -> None:
    """Formulas may differ by what moving kinks changes; elsewhere by nothing that float32 could tell."""
    exact, moved = _answers(a=1.0, b=1.0), _answers(a=0.0, b=1.0)
    found = _answers(a=0.5, b=1.0)
    assert formula_errors(found, exact)["a"] == pytest.approx(0.5)
    assert max(formula_errors(found, exact, [moved]).values()) == 0
    assert formula_errors(_answers(a=1.0, b=1.0 + 1e-5), exact, [moved])["b"] == pytest.approx(1e-5, rel=1e-3)
