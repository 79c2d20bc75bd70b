"""A log that grows: from its end on, and through everything that loggers do to files."""

from __future__ import annotations

import errno
import time
from pathlib import Path

import pytest

from support.meter_trees import board
from tbft_runtime.meters.csv_file import CsvMeter, find
from tbft_runtime.meters.meter import MeterError, UnavailableError


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _watts(meter: CsvMeter) -> list[float]:
    return [sample.value for sample in meter.sample()]


def _following(path: Path) -> CsvMeter:
    meter = find(board(path.parent), str(path))
    assert isinstance(meter, CsvMeter)
    meter.start()
    return meter


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text("# made by a logger\nseconds,volts,watts\n1,5.1,100\n2,5.1,100\n")
    return path


def test_what_was_there_before_is_not_ours(log: Path) -> None:
    """Only what is written from the start on, in the columns that the header names."""
    meter = _following(log)
    assert _watts(meter) == []
    _append(log, "3,5.1,4.5\n4,5.1,4.7\n")
    began = time.perf_counter()
    samples = meter.sample()
    assert [sample.value for sample in samples] == [4.5, 4.7]
    assert samples[-1].seconds <= time.perf_counter()
    assert samples[-1].seconds >= began - 1
    assert _watts(meter) == []
    meter.stop()


def test_a_line_is_taken_when_it_is_whole(log: Path) -> None:
    """Half a number is another number."""
    meter = _following(log)
    _append(log, "3,5.1,4")
    assert _watts(meter) == []
    _append(log, ".5\n")
    assert _watts(meter) == [4.5]


def test_a_line_that_was_half_written_at_the_start_is_left_out(log: Path) -> None:
    """Its second half would be another reading."""
    _append(log, "3,5.1,4")
    meter = _following(log)
    _append(log, "5,6,7\n4,5.1,4.7\n")
    assert _watts(meter) == [4.7]


def test_a_file_without_a_header(tmp_path: Path) -> None:
    """The first two columns."""
    path = tmp_path / "log"
    path.write_text("0 5\n")
    meter = _following(path)
    _append(path, "1 4.5 more\n")
    assert _watts(meter) == [4.5]


def test_an_empty_file_gets_its_header_later(tmp_path: Path) -> None:
    """The logger starts after us."""
    path = tmp_path / "log.csv"
    path.touch()
    meter = _following(path)
    assert _watts(meter) == []
    _append(path, "watts,seconds\n4.5,1\n")
    assert _watts(meter) == [4.5]


def test_a_file_that_is_begun_again(log: Path) -> None:
    """Truncated in its place, with other columns and a clock that starts again."""
    meter = _following(log)
    _append(log, "3,5.1,4.5\n")
    assert _watts(meter) == [4.5]
    log.write_text("watts,seconds\n6.5,0\n")
    assert _watts(meter) == [6.5]


def test_a_file_that_is_replaced(log: Path) -> None:
    """Rotated: what the old one still got is read before the new one."""
    meter = _following(log)
    moved = log.rename(log.with_suffix(".1"))
    with pytest.raises(MeterError, match="gone"):
        meter.sample()
    _append(moved, "3,5.1,4.5\n")
    log.write_text("seconds,volts,watts\n4,5.1,4.7\n")
    assert _watts(meter) == [4.5]
    assert _watts(meter) == [4.7]


def test_a_disk_that_is_gone_is_a_failed_reading(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stick or share of the log was pulled: the run goes on without that reading."""

    class Pulled:
        def read(self, _: int) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

        def close(self) -> None: ...

    meter = _following(log)
    monkeypatch.setattr(meter, "_file", Pulled())
    with pytest.raises(MeterError, match="cannot be read"):
        meter.sample()


def test_garbage_is_counted_and_told(log: Path) -> None:
    """A date where seconds are expected."""
    meter = _following(log)
    _append(log, "2026-11-22 10:00:00,5.1,4.5\n")
    with pytest.raises(MeterError, match="2026-11-22"):
        meter.sample()
    assert meter.garbage == 1


@pytest.mark.parametrize("content", [None, "date,power\n2026,5\n"])
def test_what_cannot_be_followed(tmp_path: Path, content: str | None) -> None:
    """No such file; a file with other columns."""
    path = tmp_path / "log.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UnavailableError) as caught:
        _following(path)
    assert "watts" in caught.value.hint
