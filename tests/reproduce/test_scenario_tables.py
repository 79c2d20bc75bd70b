"""Tables and verdicts of scenarios turn with the records that they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.made_up_scenarios import MadeUp, changed, every_scenario, scenario_results
from tbft_edge.reproduce.results import Results, read_results, write_results
from tbft_edge.reproduce.summary.names import Exhibit
from tbft_edge.reproduce.summary.verdict import Verdict
from tbft_edge.reproduce.summary.whole import Summary, summarize
from tbft_edge.reproduce.trial import Recipe

IMAGES = 2000
rights = st.integers(0, IMAGES)


def verdicts(made: Results) -> Mapping[str, Verdict]:
    return dict(zip(("statistics", "before", "baseline", "order"), summarize(made).verdicts, strict=True))


def table(summary: Summary, word: str) -> Exhibit:
    (found,) = (each for part in summary.sections for each in part.exhibits if word in each.table.title)
    return found


def one(accuracies: Mapping[Recipe, float], name: str = "samples", setting: str = "16", drift: str = "fog") -> MadeUp:
    return MadeUp(name, setting, drift, accuracies=accuracies)


def test_a_scenario_is_a_table_of_methods_and_settings() -> None:
    """Settings stand by their size, whichever came first, and cells are over drifts and draws."""
    made = scenario_results(
        [
            MadeUp("samples", "64", accuracies=changed(unlabelled=0.7)),
            MadeUp("samples", "64", drift="snow", accuracies=changed(unlabelled=0.5)),
            MadeUp("samples", "16", draw=1, accuracies=changed(unlabelled=0.4)),
        ]
    )
    found = table(summarize(made), "Few samples")
    assert list(found.table.columns)[1:] == ["16", "64"]
    rows = {row[0]: row[1:] for row in found.table.rows}
    assert len(rows) == 6
    assert rows["device, without labels"] == ["40.0", "60.0\n± 14.1"]
    assert rows["PyTorch, SHOT"] == ["60.0", "60.0\n± 0.0"]
    assert "16: 1; 64: 2" in found.note


def test_classes_that_the_pool_has_are_a_table_of_their_own() -> None:
    """The ordinary pool has all of them, so its accuracy stands in both."""
    summary = summarize(every_scenario())
    seen = table(summary, "of the classes that the pool has")
    assert list(seen.table.columns)[1:] == ["2", "8", "10"]
    assert {row[0]: row[1:] for row in seen.table.rows}["no adaptation"] == ["80.0", "80.0", "30.0"]


def test_every_scenario_has_a_table() -> None:
    (first, second) = summarize(every_scenario()).sections
    assert [each.table.title.partition(":")[0] for each in first.exhibits] == [
        "Few samples",
        "Few categories",
        "Few categories",
        "Several drifts in a pool",
        "Two drifts in an image",
        "Order of classes",
    ]
    (gains,) = second.exhibits
    assert len(gains.table.rows) == 8  # Without the three that stand there to compare with.


@given(st.lists(st.tuples(rights, rights), min_size=1, max_size=6))
def test_one_case_more_than_a_point_below_statistics_is_enough(drawn: list[tuple[int, int]]) -> None:
    """Twenty of 2,000 images are a point, on which rounding shall decide nothing."""
    made = scenario_results(
        one(changed(statistics=alone / IMAGES, unlabelled=ours / IMAGES), drift=f"drift{number}")
        for number, (alone, ours) in enumerate(drawn)
    )
    below = [ours for alone, ours in drawn if alone - ours > 20]
    verdict = verdicts(made)["statistics"]
    assert verdict.holds is not bool(below)
    assert verdict.lines[0].startswith(f"{len(drawn) - len(below)} of {len(drawn)} case")
    assert (len(verdict.lines) > 1) is bool(below)


def test_what_is_far_below_is_named_the_farthest_first() -> None:
    cases = [one(changed(statistics=0.5, unlabelled=0.48 - each / 100), drift=f"d{each}") for each in range(12)]
    words = verdicts(scenario_results(cases))["statistics"].lines[1]
    assert words.startswith("Farther below: samples 16, d11, draw 0, -13.0; samples 16, d10")
    assert words.endswith("and 2 more.")


def test_the_network_as_it_came_is_a_limit_of_its_own() -> None:
    made = scenario_results([one(changed(none=0.7, statistics=0.4, unlabelled=0.5))])
    assert verdicts(made)["statistics"].holds
    assert verdicts(made)["before"].holds is False


@given(st.tuples(rights, rights, rights, rights))
def test_the_best_baseline_is_what_counts(drawn: tuple[int, ...]) -> None:
    tent, shot, t3a, ours = (right / IMAGES for right in drawn)
    made = scenario_results([one(changed(tent=tent, shot=shot, t3a=t3a, unlabelled=ours))])
    assert verdicts(made)["baseline"].holds is (ours >= max(tent, shot, t3a))


def test_every_scenario_has_to_be_as_good_as_its_baseline() -> None:
    """A gain in one does not make up for another, and the best baseline may be another in each."""
    good = one(changed(unlabelled=0.9))
    bad = one(changed(t3a=0.7), "overlap", "2")
    verdict = verdicts(scenario_results([good, bad]))["baseline"]
    assert verdict.holds is False
    assert "PyTorch, SHOT 60.0%, +30.0 points." in verdict.lines[0]
    assert "PyTorch, T3A 70.0%, -8.0 points: falls short." in verdict.lines[1]


@pytest.mark.parametrize(("sorted_by_class", "holds"), [(0.615, True), (0.60, False)])
def test_the_order_is_held_against_the_same_images_at_random(sorted_by_class: float, *, holds: bool) -> None:
    made = scenario_results(
        [
            MadeUp("order", "random", reference=True),
            MadeUp("order", "by class", accuracies=changed(unlabelled=sorted_by_class)),
            MadeUp("order", "by class", draw=1, accuracies=changed(unlabelled=0.1)),  # It has nothing beside it.
        ]
    )
    assert verdicts(made)["order"].holds is holds


def test_a_case_that_stands_elsewhere_counts_once() -> None:
    lines = verdicts(every_scenario())["statistics"].lines
    assert lines == ("8 of 8 cases; on average +12.0 points.",)


def test_the_guard_is_seen_at_work() -> None:
    """A run without an epoch was held back."""
    made = scenario_results([MadeUp("samples", "16", epochs=0), MadeUp("samples", "16", drift="snow")])
    (row,) = table(summarize(made), "adds to statistics").table.rows
    assert row == ["few samples, 16", "50.0", "62.0", "+12.0", "+12.0", "1 of 2"]


def test_nothing_is_decided_where_nothing_was_run() -> None:
    made = scenario_results([one({"none": 0.5})])
    assert [verdict.holds for verdict in verdicts(made).values()] == [None] * 4


def test_results_keep_their_scenarios(tmp_path: Path) -> None:
    """Through the file, from which the page is made."""
    made = every_scenario()
    write_results(made, tmp_path / "botta.json")
    assert read_results(tmp_path / "botta.json") == made


def test_the_source_is_the_papers() -> None:
    assert "2504.10149" in summarize(every_scenario()).source
