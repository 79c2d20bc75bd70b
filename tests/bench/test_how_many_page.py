"""The page of how many labels each kind of drift takes: means and spread over draws, and what is advised by them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from benchmarks.labels.how_many import trials
from benchmarks.labels.how_many_page import KEPT, PAGE, Drifted, Outcome, Results, Trial, Way, page, tables


def results() -> Results:
    """Two draws two points apart; with one photo of a class `train` refuses."""
    found = []
    for draw in range(2):
        for way, labels, accuracy in (("before", 0, 0.3), ("unlabelled", 0, 0.6), ("learn", 1, 0.4), ("train", 5, 0.5)):
            found.append(Outcome(Trial("fog", draw, way, labels), accuracy + 0.02 * draw))  # type: ignore[arg-type]
        found.append(Outcome(Trial("fog", draw, "train", 1), None, "too few"))
    return Results(pooled=1000, tested=1500, checks=50, outcomes=tuple(found))


def test_means_and_spread() -> None:
    lines = list(tables(results()))
    assert "| none | before | 31.0 ± 1.4 |" in lines
    assert "| none | `train --labels none`, 1,000 photos | 61.0 ± 1.4 |" in lines
    assert "| 1 | – | 41.0 ± 1.4 |" in lines
    assert "| 5 | 51.0 ± 1.4 | – |" in lines


def test_a_drift_that_was_not_measured_yet_has_a_heading_alone() -> None:
    """The program shows its tables also when it goes on later."""
    assert sum(line.startswith("## ") for line in tables(results())) == 4
    assert len(list(trials(3))) == len(set(trials(3))) == 3 * len(list(trials(1)))


def mean(found: Results, drifted: Drifted, way: Way, labels: int = 0) -> float:
    known = [
        each.accuracy
        for each in found.outcomes
        if (each.trial.drifted, each.trial.way, each.trial.labels) == (drifted, way, labels)
    ]
    assert len(known) >= 3
    return float(np.mean([accuracy for accuracy in known if accuracy is not None]))


@pytest.mark.skipif(not KEPT.exists(), reason="no results are kept")
def test_the_page_is_that_of_the_results_and_the_advice_holds() -> None:
    """By these figures a device is told which way to go (`tbft_runtime/diagnosis/advise.py`)."""
    found = msgspec.json.decode(KEPT.read_bytes(), type=Results)
    assert PAGE.read_text(encoding="utf-8") == page(found)
    for drifted in ("gaussian_noise", "fog"):
        # Of an input that drifted 1,000 photos without labels are worth 250 with theirs, and less than 1,000.
        told = [mean(found, drifted, "train", labels) for labels in (25, 100)]
        assert told[0] < mean(found, drifted, "unlabelled") < told[1]
    # Of features, where some check, as much as 100: between 10 and 25 of each of five classes.
    told = [mean(found, "source5", "train", labels) for labels in (10, 25)]
    assert told[0] < mean(found, "source5", "checked") < told[1]
    # A head in closed form has from 10 of each class nearly what it has from 100, and training it is no better.
    assert mean(found, "labels", "learn", 10) > mean(found, "labels", "learn", 100) - 0.015
    assert mean(found, "labels", "learn", 100) > mean(found, "labels", "train", 100) - 0.01
    # Features take as many as there are.
    more = [mean(found, "source5", "train", labels) for labels in (5, 10, 25, 50, 100)]
    assert more == sorted(more)
