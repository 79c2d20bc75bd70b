"""The cost table of `tbft-edge bench --compare`, and the command where nothing is emulated."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from support.bundles import COMPILED
from tbft_artifacts.plan import Drift
from tbft_edge.emulation.bench import BenchResult, Count, compare_costs
from tbft_runtime.board.access import THIS_BOARD
from tbft_runtime.board.watch import BoardWatch


def _result(drift: Drift, step: int, cached: int | None) -> BenchResult:
    return BenchResult(
        plan=f"{drift}-frozen-sgd",
        drift=drift,
        platform="arm64",
        engine="qemu-user",
        batch_size=4,
        step_ms=1.0,
        instructions_per_step=Count(step, 0.0),
        instructions_per_cached_step=None if cached is None else Count(cached, 0.0),
        board=BoardWatch(THIS_BOARD).summary(),
        runtime={},
    )


def test_savings_are_shares_of_the_full_step() -> None:
    """A cached step is held against the whole step of full fine-tuning, which has nothing to cache."""
    output, full = compare_costs([_result("output", 50, 1), _result("full", 100, None)])
    assert (output.first_epoch_saved, output.later_epochs_saved) == (0.5, 0.99)
    assert (full.first_epoch_saved, full.later_epochs_saved) == (0.0, 0.0)
    assert output.unit == "instructions"


def test_without_full_fine_tuning_nothing_is_saved_or_lost() -> None:
    """There is nothing to compare with, and no number is made up."""
    (output,) = compare_costs([_result("output", 50, 1)])
    assert output.first_epoch_saved is None


@pytest.mark.parametrize("bundle", ["feature-frozen", "input-batch", "resnet8", "ds-cnn"])
def test_the_command_measures_here(bundle: str) -> None:
    """One JSON object on stdout; a step from stored activations only where they do not change."""
    command = [sys.executable, "-m", "tbft_edge", "bench", str(COMPILED / bundle), "--steps", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (result,) = json.loads(done.stdout)["results"]
    assert result["step_ms"] > 0
    assert (result["cached_step_ms"] is None) == (bundle != "feature-frozen")
    assert result["emulated"] is False
