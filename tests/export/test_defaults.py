"""A plan for which nothing is said gets the batch norms and the learning rate that suit its drift."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from tbft_artifacts.plan import BatchNormPolicy, Drift, OptimizerKind, Plan
from tbft_export import ExportOptions, export_bundle
from tbft_export.methods.drifts import ANSWERS, default_learning_rate

KINDS = get_args(OptimizerKind)
DRIFTS = get_args(Drift)
POLICIES = get_args(BatchNormPolicy)


def plans(tmp_path: Path, **changes: object) -> tuple[Plan, ...]:
    options = {"model": "support.tiny_models:tiny_deep", "drift": "all", "image_size": 8, **changes}
    return export_bundle(ExportOptions(**options), tmp_path / "bundle").manifest.plans  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_each_plan_has_the_defaults_of_its_drift(kind: OptimizerKind, tmp_path: Path) -> None:
    """Also beside others in a bundle."""
    for plan in plans(tmp_path, optimizer=kind):
        assert plan.batch_norm == ANSWERS[plan.drift].policy
        assert plan.optimizer.lr == default_learning_rate(kind, plan.drift, plan.batch_norm)


def test_what_is_said_holds_for_every_plan(tmp_path: Path) -> None:
    """The rate wins over the drift; without one it follows the policy that was given."""
    assert {plan.optimizer.lr for plan in plans(tmp_path, lr=0.5)} == {0.5}
    for plan in plans(tmp_path / "frozen", batch_norm="frozen"):
        assert plan.optimizer.lr == default_learning_rate("sgd", plan.drift, "frozen")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_head_takes_the_largest_steps(kind: OptimizerKind, policy: BatchNormPolicy) -> None:
    """And convolutions with fixed statistics the smallest, since nothing normalises again what a step did."""
    rates = {drift: default_learning_rate(kind, drift, policy) for drift in DRIFTS}
    assert rates["output"] > max(rate for drift, rate in rates.items() if drift != "output")
    for drift, rate in rates.items():
        assert default_learning_rate(kind, drift, "frozen") <= rate
        assert default_learning_rate(kind, drift, "adapt") == default_learning_rate(kind, drift, "frozen")


def test_momentum_needs_smaller_steps_where_statistics_are_fixed() -> None:
    assert default_learning_rate("sgd", "feature", "frozen") < default_learning_rate("sgd", "feature", "block")


def test_a_head_of_many_features_takes_smaller_steps() -> None:
    """What a step of SGD changes in a logit grows with their number; Adam's step does not."""
    few = default_learning_rate("sgd", "output", "frozen")
    assert default_learning_rate("sgd", "output", "frozen", 1280) == pytest.approx(few / 20)
    assert default_learning_rate("sgd", "output", "frozen", 16) == few
    assert default_learning_rate("adam", "output", "frozen", 1280) == default_learning_rate("adam", "output", "frozen")
