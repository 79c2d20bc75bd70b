"""`tbft-edge report` prints the same figures in every format, and refuses as it should."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from markdown_it import MarkdownIt

from support.commands import Ended, refused
from support.made_up_reports import PMIC, made_up_energy, made_up_report, no_energy
from support.report_files import save_report
from tbft_edge.main import main
from tbft_runtime import Comparison, Report, compare, read_report
from tbft_runtime.reporting.comparison import Row

ESTIMATE = msgspec.structs.replace(PMIC, meter="estimate", type="estimate")
REPORTS = {
    "full": made_up_report("full", 60.0),
    "feature": made_up_report("feature", 15.0),
    "output": made_up_report("output", 7.5, energy=no_energy(7.5), accuracy_before=None, accuracy_after=None),
    "input": made_up_report("input", 40.0, energy=made_up_energy(40.0, source=ESTIMATE)),
}


@dataclass(frozen=True)
class Desk:
    """Runs in folders, and a way to report on them."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def run(self, name: str) -> Path:
        return self.folder / name

    def report(self, *arguments: str | Path) -> Ended:
        self.monkeypatch.setattr(sys, "argv", ["tbft-edge", "report", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self.capture.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    def all(self, *options: str) -> Ended:
        return self.report(*map(self.run, REPORTS), *options)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    for name, report in REPORTS.items():
        save_report(report, tmp_path / name)
    return Desk(tmp_path, capsys, monkeypatch)


def markdown_rows(text: str) -> list[list[str]]:
    """The cells of all tables of a Markdown text, as a reader sees them."""
    tokens = MarkdownIt().enable("table").parse(text)
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and token.level > 3 and rows and token.children is not None:
            rows[-1].append("".join(child.content for child in token.children))
    return rows


def test_the_table_shows_times_energy_and_savings(desk: Desk) -> None:
    """Figures on stdout, words on stderr."""
    desk.monkeypatch.setattr("tbft_edge.console.PIPED_WIDTH", 200)
    ended = desk.all()
    assert ended.code == 0
    line = {cells[0]: cells for cells in map(str.split, ended.out.splitlines()) if cells and cells[0] in REPORTS}
    assert line["full"][:4] == ["full", "everything", "60.0", "s"]
    assert line["full"].count("baseline") == 2
    assert line["feature"].count("75.0%") == 3
    assert "300" in line["full"]
    assert "unavailable" not in ended.out
    assert "output: energy unavailable: no meter was found" in ended.err


def test_an_estimate_is_marked_in_every_cell_that_it_is_in(desk: Desk) -> None:
    """And a missing figure is a dash, not a zero."""
    _, *rows = markdown_rows(desk.all("--format", "markdown").out)
    cells = {row[0]: row for row in rows}
    assert [cell for cell in cells["input"] if cell.endswith(" est.")] == ["200 J est.", "80.0 J est.", "4.00 est."]
    assert cells["output"].count("–") == 6
    assert not [cell for cell in cells["full"] if "est." in cell]


def test_json_is_the_comparison(desk: Desk) -> None:
    """All of it, notes included; --json is the same."""
    ended = desk.all("--json")
    comparison = msgspec.json.decode(ended.out, type=Comparison)
    assert comparison == compare(list(REPORTS.values()), list(REPORTS))
    assert ended.err == ""
    assert desk.all("--format", "json").out == ended.out
    assert desk.all("--format", "json", "--json").out == ended.out


def test_csv_is_the_rows(desk: Desk) -> None:
    """A line each below one header, numbers as they are, nothing where there is nothing."""
    text = desk.all("--format", "csv").out
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == list(Row.__struct_fields__)
    assert text.count("\r\n") == len(REPORTS) + 1
    comparison = compare(list(REPORTS.values()), list(REPORTS))
    for cells, row in zip(rows, comparison.rows, strict=True):
        found = dict(zip(header, cells, strict=True))
        for name in ("seconds", "joules", "net_joules", "saved_seconds", "saved_joules", "joules_per_point"):
            value = getattr(row, name)
            assert (found[name] == "") if value is None else (float(found[name]) == value)
        assert found["baseline"] == str(row.baseline).lower()
        assert found["blocks"] == "; ".join(row.blocks)
        assert found["notes"] == "; ".join(row.notes)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum", "=HYPERLINK(a|b)"])
def test_no_name_is_a_formula_in_a_spreadsheet(desk: Desk, name: str) -> None:
    """A folder may come from anybody; a negative number stays one."""
    run = save_report(made_up_report("feature", 90.0), desk.run(name))
    out = desk.report(desk.run("full"), "--format", "csv", "--", run).out
    rows = list(csv.DictReader(io.StringIO(out, newline="")))
    assert rows[1]["run"] == "'" + name
    assert float(rows[1]["saved_seconds"]) == -0.5


@pytest.mark.parametrize("name", ["a|b", "a\\|b", "*a*", "_a_", "<b>a<b>", "`a`", "[a](b)", "a\nb", "&amp;", "~~a~~"])
def test_markdown_shows_any_name_as_it_is(desk: Desk, name: str) -> None:
    """As many cells in every row, and notes below the table."""
    run = save_report(made_up_report("feature", 10.0, threads=2), desk.run(name))
    text = desk.report(desk.run("full"), run, "--format", "markdown").out
    header, full, other = markdown_rows(text)
    assert len(header) == len(full) == len(other)
    assert other[0] == name.replace("\n", " ")
    assert "threads 2, baseline 4" in text.splitlines()[-1]


@pytest.mark.parametrize("width", [40, 200])
def test_control_characters_do_not_reach_the_terminal(desk: Desk, width: int) -> None:
    """Nor do emoji codes change a name."""
    desk.monkeypatch.setattr("tbft_edge.console.PIPED_WIDTH", width)
    run = save_report(made_up_report("feature", 10.0, threads=2), desk.run("a\x1b[31m:b:"))
    ended = desk.report(desk.run("full"), run)
    assert "\x1b" not in ended.out + ended.err
    assert ":b:" in ended.out


def test_one_run_is_summed_up(desk: Desk) -> None:
    """What it trained, how long and with which energy."""
    ended = desk.report(desk.run("feature"))
    for words in ("feature drift: trained layer3", "25.0%", "75.0%", "15.0 s", "75.0 J", "pmic (sensor)", "62.5 °C"):
        assert words in ended.out
    assert ended.err == ""
    without = desk.report(desk.run("output"))
    assert "unavailable (no meter was found)" in without.out
    assert "0 J" not in without.out
    assert "40.0 J" not in without.out
    assert "200 J est." in desk.report(desk.run("input")).out


def test_the_outcome_is_last_on_a_terminal_and_first_in_a_document(desk: Desk) -> None:
    """Where each is looked at; both say all that the page says."""
    run, first, last = desk.run("feature"), "learning rate", "validation accuracy"
    printed = desk.report(run).out
    assert 0 < printed.index(first) < printed.index(last)
    document = desk.report(run, "--format", "markdown").out
    assert 0 < document.index(last) < document.index(first)


def test_one_run_as_data(desk: Desk) -> None:
    """JSON is the report itself; CSV has the columns of any comparison."""
    run = desk.run("feature")
    assert msgspec.json.decode(desk.report(run, "--json").out, type=Report) == read_report(run)
    (row,) = csv.DictReader(io.StringIO(desk.report(run, "--format", "csv").out, newline=""))
    assert (row["run"], row["saved_joules"], float(row["joules"])) == ("feature", "", 75.0)
    cells = {name: value for name, value, *_ in markdown_rows(desk.report(run, "--format", "markdown").out)}
    assert cells["time in epochs"] == "15.0 s"


def test_a_throttled_run_alone_is_shown(desk: Desk) -> None:
    """Nothing is compared; beside another it takes a flag."""
    board = msgspec.structs.replace(REPORTS["feature"].result.board, throttled=("under-voltage",))
    run = save_report(made_up_report("feature", 10.0, board=board), desk.run("slow"))
    for format_ in ("table", "markdown", "csv", "json"):
        assert "under-voltage" in desk.report(run, "--format", format_).out
    assert "--allow-throttled" in refused(desk.report(run, desk.run("full"))).hint
    assert desk.report(run, desk.run("full"), "--allow-throttled").code == 0


def test_other_data_takes_a_flag_and_letters(desk: Desk) -> None:
    """A column says which run is on which."""
    other = msgspec.structs.replace(made_up_report("full", 10.0), data="e" * 16)
    run = save_report(other, desk.run("other"))
    arguments = (desk.run("full"), desk.run("feature"), run)
    assert "--allow-different" in refused(desk.report(*arguments)).hint
    ended = desk.report(*arguments, "--allow-different", "--format", "markdown")
    header, *rows = markdown_rows(ended.out)
    assert [row[header.index("data")] for row in rows] == ["A", "A", "B"]
    assert "board" not in header
    assert "runs on different data" in desk.report(*arguments, "--allow-different", "--format", "csv").err


def test_bad_arguments_are_refused(desk: Desk) -> None:
    """With a hint each, and nothing on stdout."""
    full = desk.run("full")
    assert "contradict" in refused(desk.report(full, "--json", "--format", "csv")).message
    assert "the same run" in refused(desk.report(full, full / "report.json")).message
    assert "no report" in refused(desk.report(desk.run("nowhere"))).message
    assert "--help" in refused(desk.report()).hint
    assert "--help" in refused(desk.report(full, "--format", "pdf")).hint


def test_runs_are_known_by_their_folders(desk: Desk, tmp_path: Path) -> None:
    """By as much of the path as it takes, also where the file itself was named; another file by its own name."""
    first = save_report(made_up_report("full", 1.0), tmp_path / "pi4" / "run")
    second = save_report(made_up_report("feature", 2.0), tmp_path / "pi5" / "run")
    copied = (save_report(made_up_report("output", 3.0), tmp_path / "x") / "report.json").rename(tmp_path / "x.json")
    ended = desk.report(first, second / "report.json", copied, "--json")
    assert [row["run"] for row in json.loads(ended.out)["rows"]] == ["pi4/run", "pi5/run", "x.json"]


def test_pages_go_to_stdout(desk: Desk) -> None:
    """A run's own page, and of several the page of their comparison with all their reports."""
    asked: list[Any] = []

    def comparison_page(comparison: Comparison, reports: Sequence[Report]) -> str:
        asked.extend([comparison, *reports])
        return "<p>several</p>"

    def run_page(report: Report) -> str:
        asked.append(report)
        return "<p>one</p>"

    for name, function in (("run_page", run_page), ("comparison_page", comparison_page)):
        module = ModuleType(f"tbft_edge.pages.{name}")
        setattr(module, name, function)
        desk.monkeypatch.setitem(sys.modules, module.__name__, module)
    desk.monkeypatch.setitem(sys.modules, "tbft_edge.pages", ModuleType("tbft_edge.pages"))
    assert desk.report(desk.run("feature"), "--format", "html").out == "<p>one</p>"
    assert desk.report(desk.run("full"), desk.run("feature"), "--format", "html").out == "<p>several</p>"
    one, comparison, *reports = asked
    assert one == REPORTS["feature"]
    assert reports == [REPORTS["full"], REPORTS["feature"]]
    assert comparison == compare(reports, ["full", "feature"])


def test_a_table_that_is_too_wide_is_turned(desk: Desk) -> None:
    """On a narrow terminal a row per figure keeps numbers in one piece."""
    desk.monkeypatch.setattr("tbft_edge.console.PIPED_WIDTH", 80)
    out = desk.all().out
    lines = {line.split("  ")[0]: line.split()[-4:] for line in out.splitlines()}
    assert lines["run"] == ["full", "feature", "output", "input"]
    assert lines["saved energy"] == ["baseline", "75.0%", "–", "–"]
    assert max(map(len, out.splitlines()[3:])) <= 80
    desk.monkeypatch.setattr("tbft_edge.console.PIPED_WIDTH", 200)
    assert [line.split()[0] for line in desk.all().out.splitlines()[-4:]] == list(REPORTS)


def test_a_note_that_several_runs_share_is_said_once(desk: Desk) -> None:
    """A table of ten runs on a board without a meter would drown in them."""
    first, second = (
        save_report(made_up_report("output", t, energy=no_energy(t)), desk.run(f"{t}")) for t in (1.0, 2.0)
    )
    lines = desk.report(first, second).err.splitlines()
    assert "every run: energy unavailable: no meter was found" in lines
    lines = desk.report(first, desk.run("full"), second).err.splitlines()
    assert "1.0, 2.0: energy unavailable: no meter was found" in lines
