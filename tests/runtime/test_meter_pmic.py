"""The power chip of a Raspberry Pi 5: every rail in the sum, or no figure at all."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support.meter_trees import NOT_REGISTERED, PI5_RAILS, board
from tbft_runtime.board.access import Board
from tbft_runtime.meters.meter import MeterError, UnavailableError
from tbft_runtime.meters.pmic import find, parse_rails

# 3V7_WL_SW, 3V3_SYS, 1V8_SYS, DDR_VDD2, 1V1_SYS, 0V8_SW, VDD_CORE, 3V3_ADC, 0V8_AON, HDMI: volts times amperes.
WATTS = 0.34356 + 0.27188 + 0.27034 + 0.00430 + 0.22411 + 0.24393 + 0.83657 + 0.00061 + 0.00219 + 0.08471


def test_a_pi_5_gives_the_sum_over_its_rails(tmp_path: Path) -> None:
    """Rails belong together by name: their numbers differ."""
    meter = find(board(tmp_path, PI5_RAILS), None)
    began = time.perf_counter()
    (sample,) = meter.sample()
    assert sample.value == pytest.approx(WATTS, abs=1e-4)
    assert began <= sample.seconds <= time.perf_counter()
    assert meter.measures == "watts"
    assert meter.source.type == "sensor"
    assert meter.source.uncertainty is None


def test_what_is_not_in_the_sum_is_named(tmp_path: Path) -> None:
    """USB and HATs hang on the 5 V input, whose current nobody senses."""
    missing = find(board(tmp_path, PI5_RAILS), None).source.missing
    assert any("USB" in words and "HATs" in words for words in missing)
    assert any("battery" in words for words in missing)
    assert len(missing) == 2


@pytest.mark.parametrize("printed", [None, NOT_REGISTERED, "", "EXT5V_V volt(24)=5.08530000V", "\x00\xff garbage"])
def test_other_boards_sense_no_current(tmp_path: Path, printed: str | None) -> None:
    """A Pi 4 without the command, one with other firmware, and volts alone."""
    with pytest.raises(UnavailableError, match="senses no current"):
        find(board(tmp_path, printed), None)


def test_a_rail_that_is_missing_once_is_no_smaller_sum(tmp_path: Path) -> None:
    """VDD_CORE is most of the power: without it there is no reading; the next one counts again."""
    printed = [PI5_RAILS]
    meter = find(Board(tmp_path, lambda _: printed[0]), None)
    printed[0] = PI5_RAILS.replace("VDD_CORE_A current(7)=1.11625000A", "VDD_CORE_A current(7)=oops")
    with pytest.raises(MeterError, match="VDD_CORE"):
        meter.sample()
    printed[0] = PI5_RAILS
    assert meter.sample()[0].value == pytest.approx(WATTS, abs=1e-4)


def test_a_command_that_fails_is_no_reading(tmp_path: Path) -> None:
    """Firmware that does not answer once."""
    answers: list[str | None] = [PI5_RAILS, None]
    meter = find(Board(tmp_path, lambda _: answers.pop(0)), None)
    with pytest.raises(MeterError, match="failed"):
        meter.sample()


def test_garbage_between_the_rails_is_left_out() -> None:
    """A warning on a line of its own changes nothing."""
    assert parse_rails(f"warning: slow\n{PI5_RAILS}\n\nVDD_CORE_A current(x)=9A") == parse_rails(PI5_RAILS)
