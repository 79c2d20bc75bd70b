"""The whole of a network, and its head, are there without residual stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.refusals import refusal
from tbft_export import ExportOptions, export_bundle

WHOLE = {
    "lenet": ("0", "3", "7", "9"),
    "squeezed": ("features", "classifier"),
    "perceptron": ("1", "2", "4"),
}
HEADS = {"lenet": "9", "squeezed": "classifier.1", "perceptron": "4"}


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


@pytest.mark.parametrize("drift", ["input", "feature", "all"])
def test_plans_that_need_stages_say_what_can_be_named(tmp_path: Path, drift: str) -> None:
    options = ExportOptions("support.common_nets:lenet", drift, image_size=32)  # type: ignore[arg-type]
    error = refusal(options, tmp_path)
    assert "no residual stages followed by a linear layer: 0, 3, 7, 9" in error.message
    assert "`blocks`, one of these" in error.hint
    assert "`drift` full and output need none" in error.hint
