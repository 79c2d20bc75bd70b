"""Figures are what the raw rounds say, and a missing one says why."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.figures import Case, disagreements, figure, step_ms
from benchmarks.goals import DRIFTS, Quantity
from benchmarks.ratios import Spread
from benchmarks.results import Contestant, read, write
from support.made_up_results import REASON, ROUNDS, results

EXACTLY: dict[Quantity, float] = {
    "step-pytorch": 1.5,
    "step-ort": 2.5,
    "training-same": 1.5,
    "training-full": 1.5,
    "memory": 3.5,
}


@pytest.mark.parametrize("policy", ["frozen", "default"])
@pytest.mark.parametrize("quantity", EXACTLY)
@pytest.mark.parametrize("drift", DRIFTS)
def test_ratios_are_theirs_over_ours(quantity: Quantity, drift: str, policy: str) -> None:
    """Rounds differ fourfold in time, but not in their ratio."""
    found = figure(results(), quantity, Case(drift, policy, 1))  # type: ignore[arg-type]
    if (quantity, drift) == ("step-ort", "output"):
        assert found == REASON
    else:
        assert isinstance(found, Spread)
        assert (found.low, found.median, found.high) == pytest.approx((EXACTLY[quantity],) * 3)


def test_the_share_of_the_peak_is_of_the_step_behind_the_prefix() -> None:
    """A step of 2 GFLOP in 40 ms is half of 1 GFLOP in 10 ms; from stored activations 25 ms count."""
    whole = figure(results(), "peak-share", Case("full", "frozen", 1))
    behind = figure(results(), "peak-share", Case("feature", "frozen", 1))
    assert isinstance(whole, Spread)
    assert isinstance(behind, Spread)
    assert (whole.median, behind.median) == pytest.approx((0.5, 0.8))


def test_what_was_not_measured_is_said() -> None:
    assert figure(results(), "step-pytorch", Case("input", "frozen", 2)) == "not measured"
    assert step_ms(results().steps, Contestant("ours", "input", "frozen"), 1, cached=True) == "nothing can be stored"


def test_another_loss_is_noticed() -> None:
    contest = results().steps[0]
    assert disagreements(contest) == []
    wrong = msgspec.structs.replace(contest.lanes[1], losses=[2.5, 2.3])
    contest.lanes[1] = wrong
    assert disagreements(contest) == [wrong.contestant]


def test_every_round_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    write(results(), path)
    assert read(path) == results()
    assert len(read(path).steps[0].lanes[0].step_ms) == ROUNDS
    path.write_text(path.read_text().replace('"threads": 1', '"threads": "one"'))
    with pytest.raises(msgspec.ValidationError, match="threads"):
        read(path)
