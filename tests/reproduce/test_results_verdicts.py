"""Verdicts turn with the figures that decide them, and name what falls short."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.made_up_trials import ACCURACY, default_records, outcome, quick, record, results
from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.results import Results
from tbft_edge.reproduce.summary.verdict import Verdict
from tbft_edge.reproduce.summary.whole import summarize
from tbft_edge.reproduce.trial import Record

IMAGES = 1500
rights = st.integers(0, IMAGES)


def ranking(made: Results) -> Verdict:
    return summarize(made).verdicts[0]


def engines(made: Results) -> Verdict:
    return summarize(made).verdicts[1]


def columns(made: Results) -> Verdict:
    return summarize(made).verdicts[2]


def every_pair(made: Results) -> Verdict:
    return summarize(made).verdicts[3]


def said(verdict: Verdict) -> str:
    return " ".join(verdict.lines)


def paper(case: str, block: PaperBlock, pytorch: float | None, device: float | None, repeat: int = 0) -> list[Record]:
    """By the paper's protocol in both engines, or in one of them."""
    records = []
    if pytorch is not None:
        records.append(record(case, "paper", block, outcome(pytorch, 100.0), engine="pytorch", repeat=repeat))
    if device is not None:
        records.append(record(case, "paper", block, outcome(device, 50.0), repeat=repeat))
    return records


def ours(case: str, block: PaperBlock, accuracy: float, seconds: float = 10.0, repeat: int = 0) -> Record:
    return record(case, "default", block, outcome(accuracy, seconds), repeat=repeat)


@given(st.dictionaries(st.sampled_from(["fog", "frost", "snow"]), st.tuples(*[rights] * 4), min_size=1))
def test_the_ranking_holds_if_the_target_is_best_on_average(drawn: Mapping[str, tuple[int, ...]]) -> None:
    accuracies = {
        case: dict(zip(BLOCKS, (right / IMAGES for right in found), strict=False)) for case, found in drawn.items()
    }
    sums = [sum(found[block] for found in drawn.values()) for block in range(4)]
    for block, target in enumerate(BLOCKS[:-1]):
        verdict = ranking(results(default_records(accuracies), target=target))
        assert verdict.holds is (sums[block] == max(sums))


def test_the_ranking_says_figures_order_and_how_often() -> None:
    words = said(ranking(quick()))
    assert "mean of 3 drifts" in words
    assert "Block 1 70.0%" in words
    assert "best in 3 of 3" in words
    assert "Full: 68.0%" in words
    worse = ACCURACY | {"fog": dict.fromkeys(BLOCKS, 0.1)}
    verdict = ranking(results(default_records(worse), target="fc"))
    assert verdict.holds is False
    # Means: Block 1 (10 + 60 + 80) / 3, FC (10 + 30 + 70) / 3. Equal blocks are best together.
    assert "FC is 13.3 points behind" in said(verdict)
    assert "best in 1 of 3" in said(verdict)


def test_noise_on_each_block_is_ranked_on_its_own() -> None:
    """One noise for which another block is better is enough."""
    accuracies = {
        f"noise-{noisy}": {block: 0.8 if block == noisy else 0.4 for block in BLOCKS} for noisy in BLOCKS[:-1]
    }
    targets = {f"noise-{noisy}": noisy for noisy in BLOCKS[:-1]}
    good = ranking(results(default_records(accuracies), suite="motivation", target=targets))
    assert good.holds
    assert len(good.lines) == 4
    accuracies["noise-block3"]["fc"] = 0.81
    assert ranking(results(default_records(accuracies), suite="motivation", target=targets)).holds is False


def test_every_size_counts_in_the_ranking() -> None:
    bad = {"fog": ACCURACY["fog"] | {"fc": 0.99}}
    made = results(default_records(ACCURACY) + default_records(bad, size=20))
    assert [ranking(made).holds, ranking(results(default_records(ACCURACY))).holds] == [False, True]


def test_nothing_is_decided_where_nothing_was_run() -> None:
    made = results(default_records({"fog": {"block1": 0.5}}))
    assert [verdict.holds for verdict in summarize(made).verdicts] == [None] * 4
    assert all("✓" not in verdict.word and "✗" not in verdict.word for verdict in summarize(made).verdicts)


@given(st.lists(st.tuples(rights, st.integers(-20, 20)), min_size=1, max_size=5))
def test_engines_agree_within_one_point(drawn: list[tuple[int, int]]) -> None:
    """Fifteen of 1,500 images are a point, on which rounding shall decide nothing."""
    pairs = [(right, min(max(right + change, 0), IMAGES)) for right, change in drawn]
    made = results(
        each
        for block, (pytorch, device) in zip(BLOCKS, pairs, strict=False)
        for each in paper("fog", block, pytorch / IMAGES, device / IMAGES)
    )
    far = sum(abs(device - pytorch) > 15 for pytorch, device in pairs)
    verdict = engines(made)
    assert verdict.holds is (far == 0)
    assert verdict.lines[0].startswith(f"{len(pairs) - far} of {len(pairs)} pairs")
    (exhibit,) = verdict.exhibits
    assert len(exhibit.table.rows) == len(pairs)
    assert sum("✗" in row[-1] for row in exhibit.table.rows) == far


def test_the_farthest_engines_are_named() -> None:
    made = results(
        [*paper("fog", "block1", 0.700, 0.695), *paper("frost", "full", 0.600, 0.625), *paper("snow", "fc", 0.5, 0.52)]
    )
    words = said(engines(made))
    assert "largest difference is +2.5 points (frost, Full, 10 %)" in words
    assert "Farther apart: frost, Full, 10 %, +2.5; snow, FC, 10 %, +2.0." in words
    # sqrt(2 * 0.25 / 1500) = 1.826 points.
    assert "1,500 test images" in words
    assert "at most about 1.8 points" in words


def test_repeats_that_one_engine_lacks_do_not_count() -> None:
    """Otherwise an engine would be judged by chance that the other one had not."""
    records = [*paper("flip", "fc", 0.80, 0.80), *paper("flip", "fc", 0.10, None, repeat=1)]
    (exhibit,) = engines(results(records)).exhibits
    assert exhibit.table.rows == [["flip", "FC", "80.0", "80.0", "+0.0"]]


def test_engines_that_saw_other_images_are_not_compared() -> None:
    records = paper("noise-fc", "fc", 0.8, 0.5)
    assert engines(results(records, suite="motivation", preset="paper")).holds is None
    assert engines(results(records, suite="motivation", preset="quick")).holds is False


@given(st.lists(st.tuples(rights, rights), min_size=1, max_size=6))
def test_defaults_are_judged_by_column_and_by_pair(drawn: list[tuple[int, int]]) -> None:
    records = []
    for drift, (reference, own) in enumerate(drawn):
        records += [*paper(f"drift{drift}", "fc", reference / IMAGES, None), ours(f"drift{drift}", "fc", own / IMAGES)]
    made = results(records)
    assert columns(made).holds is (sum(own for _, own in drawn) >= sum(reference for reference, _ in drawn))
    short = sum(own < reference for reference, own in drawn)
    assert every_pair(made).holds is (short == 0)
    assert every_pair(made).lines[0].startswith(f"{len(drawn) - short} of {len(drawn)} pairs")


def test_a_column_is_over_the_drifts_that_both_have() -> None:
    """Snow was not run in PyTorch, and is easy for us."""
    records = [*paper("fog", "block1", 0.70, None), ours("fog", "block1", 0.69), ours("snow", "block1", 0.99)]
    verdict = columns(results(records))
    assert verdict.holds is False
    assert said(verdict) == ("10 %, Block 1, 1 drift: 69.0%, the paper's protocol 70.0%, -1.0 points: falls short.")


def test_what_is_saved_stands_beside_what_is_gained() -> None:
    """180 of PyTorch's 200 seconds, and 20 of our own 40 for everything."""
    records = [
        record("fog", "paper", "block1", outcome(0.70, 150.0), engine="pytorch"),
        record("fog", "paper", "full", outcome(0.72, 200.0), engine="pytorch"),
        ours("fog", "block1", 0.71, 20.0),
        ours("fog", "full", 0.70, 40.0),
    ]
    made = results(records)
    (exhibit,) = every_pair(made).exhibits
    assert exhibit.table.rows == [
        ["fog", "Block 1", "70.0", "71.0", "+1.0", "90.0", "50.0"],
        ["fog", "Full", "72.0", "70.0", "-2.0 ✗", "80.0", "–"],
    ]
    assert "Short of it: fog, Full, 10 %, -2.0. By more than one standard error: 1." in said(every_pair(made))
    assert "+1.0 points. Time saved against PyTorch's Full: 90.0%." in columns(made).lines[0]


@pytest.mark.parametrize(("holds", "sign"), [(True, "✓"), (False, "✗"), (None, "–")])
def test_a_word_and_a_sign_tell_what_became_of_a_claim(holds: bool | None, sign: str) -> None:
    word = Verdict("claim", holds, ()).word
    assert word.startswith(sign)
    assert len(word.split()) > 1
