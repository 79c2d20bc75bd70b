"""Figures are what the raw rounds say, of several peers the best one's, and a missing one says why."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.figures import Case, Figure, disagreements, figure, step_ms
from benchmarks.goals import DRIFTS, Quantity
from benchmarks.protocol import Drift, Engine
from benchmarks.results import Contestant, read, write
from support.made_up_results import REASON, ROUNDS, results

EXACTLY: dict[Quantity, tuple[float, Engine]] = {
    "step-format": (1.5, "channels-last"),
    "step-eager": (2.0, "pytorch"),
    "step-peer": (1.5, "channels-last"),
    "training": (1.5, "channels-last"),
    "training-memory": (3.5, "pytorch"),
    "step-memory": (3.5, "pytorch"),
}


@pytest.mark.parametrize("quantity", EXACTLY)
@pytest.mark.parametrize("drift", DRIFTS)
def test_ratios_are_the_best_one_s_over_ours(quantity: Quantity, drift: Drift) -> None:
    """Rounds differ fourfold in time, but not in their ratio."""
    found = figure(results(), quantity, Case("resnet26", drift, "default", 1))
    assert isinstance(found, Figure)
    ratio, peer = EXACTLY[quantity]
    assert (found.ratio.low, found.ratio.median, found.ratio.high) == pytest.approx((ratio,) * 3)
    assert found.peer == peer


@pytest.mark.parametrize(("drift", "peer"), [("full", "channels-last"), ("output", "mnn")])
def test_the_best_of_all_peers_counts_in_each_quantity_for_itself(drift: Drift, peer: Engine) -> None:
    """MNN is faster and smaller than PyTorch where it can train; where it cannot, it is not the best."""
    case = Case("resnet50", drift, "default", 1)
    step, memory = (figure(results(), quantity, case) for quantity in ("step-peer", "step-memory"))
    assert isinstance(step, Figure)
    assert isinstance(memory, Figure)
    assert step.peer == peer
    assert memory.ratio.median == pytest.approx(2.5 if peer == "mnn" else 3.5)
    pytorch = figure(results(), "step-format", case)
    assert isinstance(pytorch, Figure)
    assert pytorch.peer == "channels-last"


def test_what_was_not_measured_is_said() -> None:
    assert figure(results(), "step-eager", Case("resnet26", "input", "default", 2)) == "not measured"
    assert step_ms(results().steps, Contestant("ours", "input", "batch"), 1, cached=True) == "nothing can be stored"
    assert step_ms(results().steps, Contestant("mnn", "full", "batch", "resnet18"), 1) == REASON


@pytest.mark.parametrize(
    ("losses", "is_wrong"),
    [
        ([2.5, 2.40001], False),
        ([2.6, 2.5], True),
        # A step that takes nothing, three quarters, or no number from the loss.
        ([2.5, 2.5], True),
        ([2.5001, 2.4251], True),
        ([2.5, float("nan")], True),
    ],
)
def test_another_loss_is_noticed(losses: list[float], is_wrong: bool) -> None:
    contest = results().steps[0]
    assert disagreements(contest) == []
    other = msgspec.structs.replace(contest.lanes[1], losses=losses)
    contest.lanes[1] = other
    assert disagreements(contest) == ([other.contestant] if is_wrong else [])


def test_a_gradient_without_one_path_is_noticed() -> None:
    """Losses that a rate of 1e-4 hardly moves: MNN's, where its padding passed no gradient on, and JAX's."""
    contest = results().steps[0]
    for at, losses in ((0, [2.370877, 2.370709]), (1, [2.370878, 2.370759]), (2, [2.370878, 2.370708])):
        contest.lanes[at] = msgspec.structs.replace(contest.lanes[at], losses=losses)
    assert disagreements(contest) == [contest.lanes[1].contestant]


def test_every_round_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"
    write(results(), path)
    assert read(path) == results()
    assert len(read(path).steps[0].lanes[0].step_ms) == ROUNDS
    path.write_text(path.read_text().replace('"threads": 1', '"threads": "one"'))
    with pytest.raises(msgspec.ValidationError, match="threads"):
        read(path)
