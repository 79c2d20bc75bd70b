"""The page of heads in closed form: means and spread over draws, and what is promised of them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from benchmarks.labels.heads_page import KEPT, PAGE, Added, Asked, Renamed, Results, Unknown, page, tables


def results() -> Results:
    """Two draws of everything, two points apart; `--ask` is three points better in both."""
    return Results(
        ten_before=0.79,
        five_before=0.89,
        renamed=tuple(Renamed(5, draw, "renamed", 0.78 + 0.02 * draw) for draw in range(2)),
        added=tuple(Added("other photos", "dog", 1, draw, 0.84, 0.6, 0.85, None) for draw in range(2)),
        unknown=(Unknown("energy", 0.7, 0.05, 0.2),),
        asked=tuple(
            Asked("noise", choice, 20, draw, 9, 0.7 + 0.02 * draw + more)
            for draw in range(2)
            for choice, more in (("random", 0.0), ("--ask", 0.03))
        ),
    )


def test_means_and_spread() -> None:
    lines = list(tables(results()))
    assert "| 5 | 79.0 ± 1.4 % | 78.0 | renamed 2 |" in lines
    assert "| other photos | 1 | 84.0 ± 0.0 % | 60.0 ± 0.0 % | 80.0 ± 0.0 % | 85.0 ± 0.0 % | – |" in lines
    assert "| energy | 0.700 | 5.0 % | 20.0 % |" in lines
    assert "| noise | 20 | 74.0 ± 1.4 % | 9.0 | 71.0 ± 1.4 % | 9.0 | +3.0 ± 0.0 |" in lines


def mean(found: list[float]) -> float:
    assert len(found) >= 5
    return float(np.mean(found))


@pytest.mark.skipif(not KEPT.exists(), reason="no results are kept")
def test_the_page_is_that_of_the_results_and_few_labels_are_enough() -> None:
    """What the project promises of other labels and of a sixth class."""
    found = msgspec.json.decode(KEPT.read_bytes(), type=Results)
    assert PAGE.read_text(encoding="utf-8") == page(found)
    for photos, least in ((1, 0.65), (5, 0.77)):
        assert mean([each.accuracy for each in found.renamed if each.photos == photos]) >= least
    for photos, least in ((10, 0.77), (50, 0.79)):
        assert mean([each.balanced for each in found.added if each.photos == photos]) >= least
