"""A report's drawing of the network: every block, with those marked that were trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.bundles import compiled, compiled_copy, read_manifest
from support.runs import fine_tune
from tbft_artifacts.manifest import Block
from tbft_runtime.reporting.read import read_report

TINY = ["conv1", "bn1", "layer1", "layer2", "fc"]


@pytest.mark.parametrize(
    ("name", "epochs", "trained"),
    [
        ("feature-frozen", 1, ["layer2"]),
        ("input-batch", 1, ["conv1", "bn1", "layer1"]),
        ("full-batch", 1, TINY),
        ("feature-adapt", 0, []),  # Statistics were re-estimated, nothing was trained.
    ],
)
def test_what_was_trained_is_marked(squares: Path, tmp_path: Path, name: str, epochs: int, trained: list[str]) -> None:
    fine_tune(name, squares, tmp_path / "run", epochs=epochs)
    blocks = read_report(tmp_path / "run").blocks
    assert [block.name for block in blocks] == TINY
    assert [block.name for block in blocks if block.trained] == trained
    marked = sum(block.parameters for block in blocks if block.trained)
    (plan,) = read_manifest(compiled(name)).plans
    assert marked == (plan.cost.parameter_bytes // 4 if epochs else 0)


def test_parts_of_a_trained_block_are_marked(squares: Path, tmp_path: Path) -> None:
    """A bundle of several plans may have divided a block that this plan trains as a whole."""
    divided = [Block("conv1", 108), Block("layer2.conv1", 216), Block("layer2.conv2", 324), Block("fc", 28)]
    bundle = compiled_copy("feature-frozen", tmp_path / "bundle", blocks=tuple(divided))
    fine_tune(bundle, squares, tmp_path / "run", epochs=1)
    marked = [block.name for block in read_report(tmp_path / "run").blocks if block.trained]
    assert marked == ["layer2.conv1", "layer2.conv2"]
