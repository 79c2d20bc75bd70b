"""What a comparison is kept and printed as."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from support.made_up_comparisons import made_up_entry, made_up_figures, made_up_methods
from tbft_artifacts.errors import TbftError
from tbft_edge.compare.results import Spread, read_results, write_results
from tbft_edge.compare.table import columns, comparison_csv, comparison_table, flops, notes, spread_words
from tbft_edge.compare.words import command


def row(name: str, **changes: object) -> dict[str, str]:
    table = comparison_table(made_up_methods(**changes))  # type: ignore[arg-type]
    cells = next(cells for cells in table.rows if cells[0] == name)
    return dict(zip((column.replace("\n", " ") for column in table.columns), cells, strict=True))


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    results = made_up_methods()
    write_results(results, tmp_path / "comparison.json")
    assert read_results(tmp_path / "comparison.json") == results


@pytest.mark.parametrize("content", [None, "{", '{"format": 1}', "\xff"])
def test_a_file_that_is_none_is_refused(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "comparison.json"
    if content is not None:
        file.write_text(content, encoding="latin-1")
    with pytest.raises(TbftError, match=r"comparison\.json"):
        read_results(file)


def test_a_newer_format_is_refused_by_its_number(tmp_path: Path) -> None:
    write_results(replace(made_up_methods(), format=2), tmp_path / "new.json")
    with pytest.raises(TbftError, match="of format 2, and this version reads 1"):
        read_results(tmp_path / "new.json")


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=9))
def test_a_median_lies_within_its_spread(values: list[float]) -> None:
    spread = Spread.of(values)
    assert spread is not None
    assert (spread.low, spread.high) == (min(values), max(values))
    assert spread.low <= spread.median <= spread.high
    below, above = (sum(v < spread.median for v in values), sum(v > spread.median for v in values))
    assert max(below, above) <= len(values) / 2


def test_one_missing_figure_makes_the_median_unknown() -> None:
    """It would be that of other runs."""
    assert Spread.of([1.0, None]) is None
    assert Spread.of([]) is None


def test_cells_say_what_was_measured() -> None:
    cells = row("tbft")
    assert (cells["accuracy before"], cells["accuracy after"]) == ("25.0%", "85.0%")
    assert (cells["time"], cells["energy"]) == ("20.0 s", "100 J")
    assert (cells["peak memory"], cells["above idle"]) == ("110.0 MB", "40.0 MB")
    assert (cells["trained parameters"], cells["their bytes"]) == ("277,440", "1.1 MB")
    assert (cells["FLOPs of a step"], cells["kept for backward"]) == ("54.4 M", "180.0 kB")
    assert cells["inference per image"] == "1.25 ms"
    assert cells["best at"] == "time, energy, memory"
    assert row("full")["best at"] == "–"
    assert (cells["method"], row("full")["method"]) == ("tbft, feature drift", "full")


def test_windows_are_called_windows() -> None:
    """In the caption and the last column; results from before it was said are of images."""
    table = comparison_table(replace(made_up_methods(), input_kind="window"))
    assert "image" not in " ".join((table.title, *table.columns))
    assert table.columns[-1] == "inference\nper window"
    assert made_up_methods().input_kind == "image"


def test_a_failed_entry_has_no_figures_and_a_note() -> None:
    cells = row("hasty")
    assert cells["accuracy after"] == "failed"
    assert {cells[name] for name in ("time", "energy", "peak memory", "FLOPs of a step", "best at")} == {"–"}
    said = notes(made_up_methods())
    assert said[0] == "hasty: 1 of 1 runs failed: the loss of epoch 2 is no number"
    assert "last-layer: the meter is a toy" in said


def test_estimates_and_missing_joules_are_marked() -> None:
    guessed = made_up_entry("guessed", made_up_figures(), energy="estimate")
    blind = made_up_entry("blind", made_up_figures(joules=None))
    rows = {cells[0]: cells for cells in comparison_table(made_up_methods(guessed, blind)).rows}
    energy = columns(made_up_methods()).index("energy")
    assert rows["guessed"][energy] == "100 J est."
    twice = made_up_entry("twice", made_up_figures(), made_up_figures(seconds=22.0), energy="estimate")
    assert comparison_table(made_up_methods(twice)).rows[0][energy] == "105 J est. (100–110)"
    assert rows["blind"][energy] == "unavailable"
    assert "no Pareto front of energy: there is no meter" in notes(made_up_methods(guessed, blind))
    assert notes(made_up_methods(blind)) == []  # Its own caveat says so, once.


def test_ranges_have_a_unit_only_where_it_changes() -> None:
    assert spread_words(Spread(12.0, 11.9, 14.0), lambda value: f"{value:.1f} s") == "12.0 s (11.9–14.0)"
    units = {950.0: "950 kB", 1000.0: "1.0 MB", 1100.0: "1.1 MB"}
    assert spread_words(Spread(1000.0, 950.0, 1100.0), units.__getitem__) == "1.0 MB (950 kB–1.1 MB)"
    assert spread_words(Spread(0.5, 0.25, 0.75), "{:.0%}".format) == "50% (25–75)"
    assert spread_words(Spread(1.01, 1.01, 1.04), "{:.1f}".format) == "1.0"


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0.00"), (999, "999"), (68_800, "68.8 k"), (54.4e6, "54.4 M"), (3e12, "3,000 G")]
)
def test_operations_have_three_digits(count: float, words: str) -> None:
    assert flops(count) == words


def test_a_spreadsheet_gets_a_line_per_run_in_plain_numbers() -> None:
    twice = made_up_entry("=tbft", made_up_figures(0.8, 20.0), made_up_figures(0.9, 22.0, seed=1))
    lines = list(csv.DictReader(io.StringIO(comparison_csv(made_up_methods(twice, made_up_entry("hasty"))))))
    assert [(line["entry"], line["seed"], line["seconds"]) for line in lines] == [
        ("'=tbft", "0", "20.0"),
        ("'=tbft", "1", "22.0"),
        ("hasty", "", ""),
    ]
    assert lines[1]["accuracy_after"] == "0.9"
    assert lines[2]["failed"] == "the loss of epoch 2 is no number"


def test_the_command_is_one_that_a_shell_can_run() -> None:
    results = made_up_methods(
        made_up_entry("a b", made_up_figures()), test="more (1).npz (0f)", repeats=3, meter="estimate:/home/me/pi.json"
    )
    assert command(results) == (
        "tbft-edge compare 'a b.tar.gz' --data photos.npz --test 'more (1).npz' --repeats 3 --epochs 10 --seed 0 "
        "--threads 4 --val-fraction 0.2 --meter estimate:pi.json --out comparison"
    )
