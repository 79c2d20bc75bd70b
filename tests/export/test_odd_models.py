"""Networks that are no ResNets are exported in both forms; the export itself compares a step of each with PyTorch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.plan import BatchNormPolicy, ConvolutionForm, Drift
from tbft_export import ExportOptions, export_bundle

BOTH = ("winograd", "direct")
Forms = tuple[ConvolutionForm, ...]


@pytest.mark.long
@pytest.mark.parametrize(
    ("drift", "blocks", "policy", "prefix", "gradient"),
    [
        ("input", ("conv1", "layer1"), "batch", (), BOTH),
        ("feature", ("layer2",), "frozen", BOTH, BOTH),
        ("output", ("fc",), "frozen", BOTH, ("direct",)),
    ],
)
@pytest.mark.parametrize(("name", "size"), [("many_kinds", 33), ("patches", 31)])
def test_export(
    tmp_path: Path,
    name: str,
    size: int,
    drift: Drift,
    blocks: tuple[str, ...],
    policy: BatchNormPolicy,
    prefix: Forms,
    gradient: Forms,
) -> None:
    options = ExportOptions(f"support.odd_models:{name}", drift, blocks=blocks, batch_norm=policy, image_size=size)
    export_bundle(options, tmp_path / "bundle")
    plan = open_bundle(tmp_path / "bundle").plan()
    assert plan.gradient_forms == gradient
    if drift != "input":  # There the corners are cut out before the first trained layer.
        assert plan.prefix_forms == prefix
