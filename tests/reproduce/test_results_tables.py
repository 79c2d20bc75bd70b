"""Tables average what they say, leave out what was not run, and show nothing that nobody measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.made_up_trials import ACCURACY, SECONDS, default_records, outcome, quick, record, results
from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.results import Results
from tbft_edge.reproduce.summary.grid import grid
from tbft_edge.reproduce.summary.names import Exhibit
from tbft_edge.reproduce.summary.pairs import Pair
from tbft_edge.reproduce.summary.spread import spread
from tbft_edge.reproduce.summary.whole import summarize
from tbft_edge.reproduce.trial import Outcome

NOISY: tuple[PaperBlock, ...] = ("block1", "block2", "block3", "fc")


def exhibit(made: Results, title: str) -> Exhibit:
    """The only table whose title begins so."""
    sections = summarize(made).sections
    (found,) = (each for section in sections for each in section.exhibits if each.table.title.startswith(title))
    return found


def rows(made: Results, title: str) -> dict[str, list[str]]:
    return {name: list(cells) for name, *cells in exhibit(made, title).table.rows}


def titles(made: Results) -> list[str]:
    return [each.table.title for section in summarize(made).sections for each in section.exhibits]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_a_spread_is_mean_and_sample_deviation(values: list[float]) -> None:
    found = spread(values)
    mean = sum(values) / len(values)
    assert found is not None
    assert found.mean == pytest.approx(mean, abs=1e-12)
    assert found.deviation == pytest.approx(
        math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1)), abs=1e-9
    )
    assert found.count == len(values)


def test_a_single_value_has_no_deviation_and_none_no_mean() -> None:
    one = spread([0.5])
    assert one is not None
    assert (one.mean, one.deviation) == (0.5, None)
    assert spread([]) is None


def test_accuracies_are_means_over_drifts() -> None:
    """Worked by hand from the three drifts: FC 50, 30, 70; Avg 59, 48, 73."""
    table = rows(quick(), "Accuracy in per cent, 10 %")
    assert table["device, our defaults"] == [
        "70.0\n± 10.0",
        "60.0\n± 10.0",
        "60.0\n± 10.6",
        "50.0\n± 20.0",
        "60.0\n± 12.5",
        "68.0\n± 6.0",
    ]
    assert table["no adaptation"] == ["20.0\n± 0.0"] * 6
    assert table["statistics only"] == ["40.0\n± 0.0"] * 6
    assert "over drifts, of which there are 3" in exhibit(quick(), "Accuracy in per cent, 10 %").note


def test_the_papers_own_row_comes_first() -> None:
    first, *_ = exhibit(quick(), "Accuracy in per cent, 10 %").table.rows
    assert first == ["the paper\n(its own images)", "73.5", "70.2", "70.2", "68.2", "70.5", "73.2"]
    assert "the paper\n(its own images)" not in rows(
        results(default_records(ACCURACY), suite="source5"), "Accuracy in per cent, 10 %"
    )


def test_rows_over_fewer_drifts_say_so_and_have_our_defaults_beside_them() -> None:
    table = rows(quick(), "Accuracy in per cent, 10 %")
    few = "\n(1 of 3 drifts)"
    assert table[f"PyTorch, paper protocol{few}"] == ["59.0", "–", "–", "–", "–", "63.0"]
    assert table[f"device, paper protocol{few}"] == ["59.5", "–", "–", "–", "–", "61.5"]
    assert table[f"device, our defaults{few}"] == ["60.0", "50.0", "52.0", "30.0", "48.0", "62.0"]
    assert table[f"device, frozen{few}"] == ["45.0"] * 6
    assert "1 of 3 drifts: frost." in exhibit(quick(), "Accuracy in per cent, 10 %").note
    assert not any("adapt" in name and "device" in name for name in table)


def test_a_column_with_fewer_drifts_than_its_row_says_so() -> None:
    kept = [
        each
        for each in quick().records
        if (each.trial.case, each.trial.recipe, each.trial.block) != ("fog", "default", "fc")
    ]
    *_, fc, average, full = rows(results(kept), "Accuracy in per cent, 10 %")["device, our defaults"]
    assert fc == "50.0\n± 28.3\n(2 drifts)"
    assert average == "60.5\n± 17.7\n(2 drifts)"
    assert full == "68.0\n± 6.0"


def test_one_drift_spreads_over_repeats() -> None:
    one = {"flip": dict.fromkeys(BLOCKS, 0.6)}
    other = {"flip": dict.fromkeys(BLOCKS, 0.7)}
    made = results(default_records(one) + default_records(other, repeat=1), suite="cifar-flip", target="fc")
    assert rows(made, "Accuracy in per cent, 10 %")["device, our defaults"] == ["65.0\n± 7.1"] * 6
    assert "over 2 repeats" in exhibit(made, "Accuracy in per cent, 10 %").note
    assert "Drift by drift" not in {section.title for section in summarize(made).sections}


def test_repeats_are_averaged_within_a_drift_first() -> None:
    """A drift with more repeats weighs no more than another."""
    records = default_records({"fog": {"fc": 0.2}}) + default_records({"fog": {"fc": 0.4}}, repeat=1)
    made = results(records + default_records({"frost": {"fc": 0.9}}))
    assert rows(made, "Accuracy in per cent, 10 %")["device, our defaults"][3] == "60.0\n± 42.4"


def test_sizes_have_tables_of_their_own() -> None:
    made = results(default_records(ACCURACY) + default_records({"fog": dict.fromkeys(BLOCKS, 0.9)}, size=30))
    assert rows(made, "Accuracy in per cent, 30 %")["device, our defaults\n(1 of 3 drifts)"] == ["90.0"] * 6
    assert rows(made, "Accuracy in per cent, 30 %")["the paper\n(its own images)"][0] in {"76.7", "76.8"}
    assert rows(made, "Accuracy in per cent, 10 %")["device, our defaults"][0] == "70.0\n± 10.0"


def test_each_drift_marks_its_best_single_block() -> None:
    """Full may be better still, and equal blocks are both the best."""
    table = rows(
        results(default_records(ACCURACY | {"snow": {"block1": 0.3, "fc": 0.3}})), "Accuracy in per cent by drift"
    )
    assert table["frost"] == ["20.0", "40.0", "60.0*", "50.0", "52.0", "30.0", "62.0"]
    assert table["snow"] == ["20.0", "40.0", "30.0*", "–", "–", "30.0*", "–"]


def test_the_motivation_is_a_matrix_beside_the_papers() -> None:
    accuracies = {
        f"noise-{noisy}": {block: 0.9 if block == noisy else 0.25 if block == "full" else 0.5 for block in BLOCKS}
        for noisy in NOISY
    }
    targets = {f"noise-{noisy}": noisy for noisy in NOISY}
    records = default_records(accuracies)
    records.append(record("noise-block2", "paper", "block2", outcome(0.33), engine="pytorch"))
    made = results(records, suite="motivation", target=targets)
    table = rows(made, "Accuracy in per cent, device, our defaults: ours / the paper's")
    assert table["Block 2"] == ["50.0 / 72.4", "90.0* / 83.7*", "50.0 / 70.5", "50.0 / 67.9"]
    assert table["Full"] == ["25.0 / 83.6", "25.0 / 82.9", "25.0 / 82.1", "25.0 / 83.6"]
    assert table["Avg"][1] == "60.0 / 68.7"
    assert table["no adaptation"] == ["20.0 / –"] * 4
    pytorch = rows(made, "Accuracy in per cent, PyTorch, paper protocol: ours")
    assert pytorch["Block 2"][:2] == ["– / 72.4", "33.0* / 83.7*"]
    assert not any("device, paper protocol" in title for title in titles(made))


def test_time_is_saved_against_full_by_the_same_engine_on_the_same_drift() -> None:
    """Fog saves 20 %, frost half as long for Block 1 saves 60 %: the mean is of savings, not of seconds."""
    records = [
        record(case, "default", block, outcome(0.5, seconds * scale))
        for case, scale in (("fog", 1), ("frost", 10))
        for block, seconds in (SECONDS | {"block1": 80.0 if case == "fog" else 40.0}).items()
    ]
    made = results(records)
    saved = rows(made, "Time saved")["device, our defaults"]
    assert saved == ["40.0\n± 28.3", "40.0\n± 0.0", "50.0\n± 0.0", "90.0\n± 0.0", "55.0\n± 7.1", "–"]
    # 80 and 400 seconds, and 100 and 1,000.
    seconds = rows(made, "Seconds of training")["device, our defaults"]
    assert (seconds[0], seconds[5]) == ("240\n± 226", "550\n± 636")
    # 0.96 and 4.8 seconds.
    assert rows(made, "Seconds per step")["device, our defaults"][0] == "2.88\n± 2.72"
    assert rows(quick(), "Milliseconds per step")["device, our defaults"][0] == "960\n± 0"


def test_large_amounts_have_a_larger_unit() -> None:
    """A table stays narrow enough for a terminal."""
    made = results([record("fog", "default", block, outcome(0.5, 6000.0, joules=9000.0)) for block in BLOCKS])
    assert rows(made, "Minutes of training")["device, our defaults"] == ["100"] * 6
    assert rows(made, "Seconds per step")["device, our defaults"] == ["72.0"] * 6
    assert rows(made, "Kilojoules of training")["device, our defaults"] == ["9.00"] * 6


def test_joules_that_nobody_measured_are_unavailable_and_never_zero() -> None:
    assert not [title for title in titles(quick()) if "Joules" in title or "Energy" in title]
    assert "Energy: unavailable (meter: none)." in summarize(quick()).remarks
    records = [
        record("fog", "default", block, outcome(0.5, seconds, joules=None if block == "fc" else 3 * seconds))
        for block, seconds in SECONDS.items()
    ]
    records += [record("fog", "paper", "full", outcome(0.5, 9.0), engine="pytorch")]
    made = results(records, meter="pmic")
    joules = rows(made, "Joules of training")
    assert joules["device, our defaults"] == ["240", "180", "150", "n/a", "n/a", "300"]
    assert joules["PyTorch, paper protocol"] == ["–", "–", "–", "–", "–", "n/a"]
    assert rows(made, "Energy saved")["device, our defaults"] == ["20.0", "40.0", "50.0", "n/a", "n/a", "–"]
    assert "unavailable" in exhibit(made, "Joules of training").note
    assert not any("Energy: unavailable" in remark for remark in summarize(made).remarks)


def test_diverged_trials_are_named() -> None:
    def remarks(result: Outcome) -> Sequence[str]:
        records = [*quick().records, record("snow", "batch", "block3", result, repeat=2)]
        return [remark for remark in summarize(results(records)).remarks if "diverged" in remark]

    assert remarks(outcome()) == []
    (remark,) = remarks(outcome(diverged=True))
    assert remark.startswith("1 trial diverged")
    assert remark.endswith("snow, Block 3, device, batch, 10 %, repeat 2.")


def test_system_cost_stands_beside_the_papers_and_has_no_accuracy() -> None:
    made = system_cost(1.0)
    assert rows(made, "32 px: seconds")["device, our defaults"] == ["8.00", "6.00", "5.00", "1.00", "5.00", "10.0"]
    saved = rows(made, "128 px: saved")
    assert saved["device, our defaults"] == ["20.0", "40.0", "50.0", "90.0", "50.0", "–"]
    assert saved["the paper, Raspberry Pi"] == ["16.0", "33.5", "47.3", "69.7", "41.6", "–"]
    assert rows(made, "32 px: median step")["device, our defaults"][5] == "1,200"
    assert not any("Accuracy" in title for title in titles(made))
    (verdict,) = summarize(made).verdicts
    assert verdict.holds
    assert summarize(system_cost(20.0)).verdicts[0].holds is False


def system_cost(fc_factor: float) -> Results:
    """Both sizes; the head takes so many times as long as it should."""
    records = [
        record(case, "default", block, outcome(0.1, seconds * (fc_factor if block == "fc" else 1)), size=100)
        for case in ("32 px", "128 px")
        for block, seconds in SECONDS.items()
    ]
    return results(records, suite="system-cost", target="fc")


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 100_000))
def test_a_standard_error_bounds_that_of_two_runs(first: float, second: float, images: int) -> None:
    """Two independent means of `images` coin throws."""
    error = Pair("fog", "fc", 10, first, second, images).standard_error
    true = math.sqrt(first * (1 - first) / images + second * (1 - second) / images)
    assert true <= error * (1 + 1e-9)
    assert error <= math.sqrt(0.5 / images) * (1 + 1e-9)


def test_a_record_of_an_unknown_case_is_refused() -> None:
    with pytest.raises(KeyError):
        grid(results(quick().records, cases=()))
