"""The page of batch statistics of parts says means over seeds, and differences of the same trainings."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from benchmarks.norm_parts_page import CORRUPTIONS, DRIFTS, KEPT, PAGE, PARTS, Outcome, Trial, page, table

GAIN = {"whole": 0.0, "8": -0.004, "4": -0.012}


def outcomes() -> list[Outcome]:
    """Parts of 8 lose 0.4 points in each training, of 4 1.2; each seed is 2 points above the one before."""
    chosen = itertools.product(CORRUPTIONS, DRIFTS, range(2), PARTS)
    return [Outcome(Trial(*words), 0.7 + 0.02 * words[2] + GAIN[words[3]], 60.0) for words in chosen]


def test_means_and_differences() -> None:
    lines = list(table(outcomes()))
    assert len(lines) == 2 + len(CORRUPTIONS) * len(DRIFTS) + len(DRIFTS) + 1
    assert lines[2] == "| gaussian_noise | input | 71.0 % | 70.6 % | 69.8 % |"
    assert all(line.endswith("| – | -0.40 (-0.4 to -0.4) | -1.20 (-1.2 to -1.2) |") for line in lines[-3:])


@pytest.mark.skipif(not KEPT.exists(), reason="no results are kept")
def test_the_page_is_that_of_the_results_and_parts_of_eight_cost_half_a_point_at_most() -> None:
    found = msgspec.json.decode(KEPT.read_bytes(), type=list[Outcome])
    assert PAGE.read_text(encoding="utf-8") == page(found)
    whole = {outcome.trial: outcome.accuracy for outcome in found if outcome.trial.part == "whole"}
    eight = [outcome for outcome in found if outcome.trial.part == "8"]
    changes = [o.accuracy - whole[msgspec.structs.replace(o.trial, part="whole")] for o in eight]
    assert len(changes) >= 16
    assert 100 * sum(changes) / len(changes) >= -0.5
