"""Networks without residual stages: chains, and perceptrons whose whole and head alone can be trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.refusals import refusal
from tbft_artifacts.manifest import DriftChoice
from tbft_export import ExportOptions, export_bundle

WHOLE = {
    "lenet": ("0", "3", "7", "9"),
    "squeezed": ("features.0", "features.3", "classifier"),
    "perceptron": ("1", "2", "4"),
}
HEADS = {"lenet": "9", "squeezed": "classifier", "perceptron": "4"}


@pytest.mark.parametrize("net", WHOLE)
@pytest.mark.parametrize("way", ["full", "last-layer"])
def test_plans_that_need_none(tmp_path: Path, net: str, way: str) -> None:
    """As a drift and as a method."""
    model = f"support.common_nets:{net}"
    by_method = ExportOptions(model, method=way, image_size=32)
    by_drift = ExportOptions(model, "full" if way == "full" else "output", image_size=32)
    for number, options in enumerate((by_method, by_drift)):
        exported = export_bundle(options, tmp_path / str(number))
        plan = exported.manifest.plans[0]
        assert plan.blocks == (WHOLE[net] if way == "full" else (HEADS[net],))
        names = [block.name for block in exported.manifest.blocks]
        assert set(plan.blocks) <= set(names)
        assert (len(plan.parameters) == 2) == (way == "last-layer")


@pytest.mark.parametrize("drift", ["input", "feature"])
def test_drifts_that_need_a_stage_say_which_work(tmp_path: Path, drift: DriftChoice) -> None:
    """One line what there is, and one what trains it."""
    error = refusal(ExportOptions("support.common_nets:perceptron", drift, image_size=32), tmp_path)
    assert error.message == f"the network has nothing that {drift} drift calls for: its blocks are 1, 2, 4"
    assert error.hint.startswith("`drift` output and full train it; or name modules to train with `blocks`")


def test_a_chain_has_every_plan(tmp_path: Path) -> None:
    """LeNet: its first two convolutions, the hidden layer that reads their map, the head, and everything."""
    plans = export_bundle(
        ExportOptions("support.common_nets:lenet", "all", image_size=32), tmp_path / "b"
    ).manifest.plans
    assert {plan.drift: plan.blocks for plan in plans} == {
        "input": ("0", "3"),
        "feature": ("7",),
        "output": ("9",),
        "full": ("0", "3", "7", "9"),
    }
