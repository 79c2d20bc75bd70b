"""A report is read back as it was written; whatever is none is refused with a word on what to do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.made_up_reports import made_up_report, no_energy
from support.report_files import save_report
from tbft_artifacts.errors import TbftError
from tbft_runtime import Report, read_report
from tbft_runtime.reporting import read as module
from tbft_runtime.reporting.report import FORMAT, READABLE


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return save_report(made_up_report(), tmp_path / "run")


def rewritten(run: Path, change: Callable[[Any], None]) -> Path:
    """The run with its report changed as data."""
    file = run / "report.json"
    content = json.loads(file.read_bytes())
    change(content)
    file.write_text(json.dumps(content))
    return run


def refused(path: Path) -> TbftError:
    with pytest.raises(TbftError) as caught:
        read_report(path)
    return caught.value


@pytest.mark.parametrize("report", [made_up_report(), made_up_report("full", epochs=1, energy=no_energy(20.0))])
def test_a_report_is_read_as_it_was_written(report: Report, tmp_path: Path) -> None:
    """By its folder and by its own path, wherever it was copied to."""
    run = save_report(report, tmp_path / "run")
    copied = (run / "report.json").rename(tmp_path / "pi.json")
    assert read_report(copied) == report
    assert read_report(save_report(report, run)) == report


def test_an_unfinished_run_is_told_from_no_run(tmp_path: Path) -> None:
    """The one can be continued; the other is a wrong path."""
    (tmp_path / "run").mkdir()
    assert "no run folder" in refused(tmp_path / "run").message
    (tmp_path / "run" / "run.json").write_text("{}")
    unfinished = refused(tmp_path / "run")
    assert "not finished" in unfinished.message
    assert "`resume`" in unfinished.hint
    assert "no report at" in refused(tmp_path / "nowhere").message


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Opening one blocks until somebody writes to it."""
    os.mkfifo(tmp_path / "report.json")
    assert "no run folder" in refused(tmp_path).message


def test_what_cannot_be_opened_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so that the refusal is made up."""

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    assert "Permission denied" in refused(run).message


def test_no_more_is_read_than_a_report_can_be(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong file is not read into the memory of a small board."""
    size = (run / "report.json").stat().st_size
    monkeypatch.setattr(module, "LIMIT", size)
    assert read_report(run) == made_up_report()
    monkeypatch.setattr(module, "LIMIT", size - 1)
    assert "larger than" in refused(run).message


@pytest.mark.parametrize(
    ("format_", "word", "hint"), [(FORMAT + 1, "newer", "upgrade"), (READABLE[0] - 1, "older", "again")]
)
def test_another_format_is_named(run: Path, format_: int, word: str, hint: str) -> None:
    """Also where its fields are others: the number is read first."""
    (run / "report.json").write_text(json.dumps({"format": format_, "runs": []}))
    error = refused(run)
    assert f"has format {format_}, {word}" in error.message
    assert hint in error.hint


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": "1"}', b"null", b"[" * 100_000])
def test_what_is_no_report_is_refused(run: Path, content: bytes) -> None:
    (run / "report.json").write_bytes(content)
    assert "no valid report" in refused(run).message


def test_a_report_that_was_cut_off_is_refused(run: Path) -> None:
    """Wherever a copy broke off."""
    file = run / "report.json"
    content = file.read_bytes()
    for length in range(0, len(content), len(content) // 50):
        file.write_bytes(content[:length])
        assert "no valid report" in refused(run).message


@pytest.mark.parametrize("name", [field.name for field in msgspec.structs.fields(Report) if field.required])
def test_no_field_may_be_missing_or_of_another_type(run: Path, name: str) -> None:
    """A page is drawn from every one of them."""
    complete = (run / "report.json").read_bytes()
    assert name in refused(rewritten(run, lambda report: report.pop(name))).message
    (run / "report.json").write_bytes(complete)
    assert name in refused(rewritten(run, lambda report: report.update({name: {"what": 1.5}}))).message


def test_a_report_from_before_there_were_diagnoses_is_read(run: Path) -> None:
    """A field may be added within a format; what is missing was not there."""
    assert read_report(rewritten(run, lambda report: report.pop("diagnosis"))) == made_up_report()


def test_a_report_of_format_1_is_read(run: Path) -> None:
    """It had the time of each lap of a phase, and not how many there were."""

    def as_before(report: Any) -> None:
        report["format"] = 1
        del report["epoch_stride"]
        for stretch in (report["preparation"], *(epoch["phases"] for epoch in report["epochs"])):
            for phase in stretch:
                phase["laps_ms"] = [1.5] * phase.pop("laps")

    found = read_report(rewritten(run, as_before))
    expected = made_up_report()
    assert found.result == expected.result
    assert found.epoch_stride == 1
    assert [phase.seconds for phase in found.epochs[0].phases] == [phase.seconds for phase in expected.epochs[0].phases]
    assert {phase.laps for epoch in found.epochs for phase in epoch.phases} == {None}


def test_a_later_field_of_the_same_format_is_no_harm(run: Path) -> None:
    assert read_report(rewritten(run, lambda report: report.update(humidity=0.4))) == made_up_report()


def test_a_nested_later_field_ends_in_an_error_and_no_crash(run: Path) -> None:
    """However deep a stranger's file goes."""
    file = run / "report.json"
    file.write_bytes(file.read_bytes()[:-1] + b',"deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert "no valid report" in refused(run).message


@pytest.mark.parametrize(
    "change",
    [
        lambda report: report["confusion_after"].append([4, 0, 1]),
        lambda report: report["confusion_before"].append([0, -1, 1]),
        lambda report: report["step_ms"]["counts"].append(1),
    ],
)
def test_parts_have_to_fit_each_other(run: Path, change: Callable[[Any], None]) -> None:
    """A cell of a class that is not there would be drawn outside its matrix."""
    assert "no valid report" in refused(rewritten(run, change)).message


@pytest.mark.parametrize("digits", [20, 400])
def test_a_number_that_no_figure_can_show_is_refused(run: Path, digits: int) -> None:
    """JSON has integers of any length; converting one of 400 digits would end in a traceback."""

    def enlarge(report: Any) -> None:
        report["result"]["peak_memory_bytes"] = 10**digits

    assert "64 bits" in refused(rewritten(run, enlarge)).message


def test_reports_are_written_with_every_digit(run: Path) -> None:
    """Figures survive a round trip through the file exactly."""
    report = made_up_report(train_seconds=0.1 + 0.2)
    assert read_report(save_report(report, run)).result.train_seconds == 0.1 + 0.2
    assert msgspec.json.decode((run / "report.json").read_bytes(), type=Report) == report
