"""The page of drift of the input without labels is that of its results, and says what falls short."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks.labels.unlabelled_page import KEPT, PAGE, Outcome, Pool, Trial, page, tables


def outcome(corruption: str, unlabelled: float, pool: Pool = "mixed") -> Outcome:
    return Outcome(
        trial=Trial(corruption, 5, pool, 0),
        before=0.4,
        statistics=0.6,
        unlabelled=unlabelled,
        decision="train",
        share=0.25,
        saved=0.2,
        seconds=1.0,
    )


def test_the_worst_drift_is_said_beside_the_mean() -> None:
    lines = list(tables([outcome("fog", 0.7), outcome("contrast", 0.58)]))
    assert "| fog 5 | 40.0 | 60.0 | 70.0 | +10.0 | +30.0 | 0.25 | train |" in lines
    assert "| all, mean | 40.0 ± 0.0 | 60.0 ± 0.0 | 64.0 ± 6.0 | +4.0 | +24.0 | | |" in lines
    assert "| the worst drift, mean over seeds | | | | -2.0 | +18.0 | | |" in lines


def test_each_kind_of_pool_has_a_table() -> None:
    lines = list(tables([outcome("fog", 0.7), outcome("fog", 0.5, "three")]))
    assert [line for line in lines if line.startswith("**Pool")] == [
        "**Pool: photos of all classes**",
        "**Pool: those of three classes, tested on others of these**",
    ]


@pytest.mark.skipif(not KEPT.exists(), reason="no results are kept")
def test_the_page_is_that_of_the_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(msgspec.json.decode(KEPT.read_bytes(), type=list[Outcome]))
