"""Where a plan cannot be made, the export says which others can."""

from __future__ import annotations

from pathlib import Path

from support.refusals import refusal, tiny_options

ROUNDS = "support.tiny_models:tiny_without_gradient"


def test_a_refused_export_says_what_can_be_trained(tmp_path: Path) -> None:
    """The drifts that work, and stages by name, in the hint."""
    error = refusal(tiny_options(model=ROUNDS, drift="input"), tmp_path)
    assert "operator Round at node '/relu/Round'" in error.message
    assert error.hint.endswith("; of this model `drift` feature and `drift` output can be trained")


def test_nothing_is_said_where_the_model_is_not_at_fault(tmp_path: Path) -> None:
    """An option that does not fit has its own hint."""
    error = refusal(tiny_options(drift="input", prefix="int8", calibration=lambda _: None), tmp_path)
    assert "training begins at the input" in error.message
    assert "can be trained" not in error.hint
