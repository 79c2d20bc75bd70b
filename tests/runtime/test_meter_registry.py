"""How `--meter` becomes a meter, or a reason why there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.meter_trees import INA219, NOT_REGISTERED, PI5_RAILS, add_chip, add_domain, board, board_called, write
from tbft_artifacts.errors import TbftError
from tbft_runtime import meters
from tbft_runtime.board.access import Board
from tbft_runtime.meters import registry
from tbft_runtime.meters.meter import UnavailableError
from tbft_runtime.meters.registry import METERS, choose, survey

DOCUMENTATION = Path(__file__).parents[2] / "docs/adding-a-meter.md"
INFRASTRUCTURE = {"__init__", "meter", "registry", "foreign", "sysfs", "stream", "hwmon_channels", "power_models"}


def _taken(name: str, there: Board) -> str | None:
    meter = choose(name, there).meter
    return None if meter is None else meter.source.meter


def test_auto_prefers_what_measures_the_board_over_what_measures_less(tmp_path: Path) -> None:
    """The power chip, then a sensor, then the processor's counters, and an estimate last."""
    there = board_called(tmp_path, "Raspberry Pi 4 Model B Rev 1.5")
    assert _taken("auto", there) == "estimate"
    add_domain(tmp_path, "0", "package-0", 0)
    assert _taken("auto", there) == "rapl"
    add_chip(tmp_path, 0, "ina219", "i2c-1/1-0040", INA219)
    assert _taken("auto", there) == "hwmon:1-0040"
    assert _taken("auto", board(tmp_path, PI5_RAILS)) == "pmic"


def test_auto_without_any_says_in_one_line_what_was_tried(tmp_path: Path) -> None:
    """Energy is then unavailable; the doctor tells the reason of each."""
    choice = choose("auto", board(tmp_path, NOT_REGISTERED))
    assert choice.meter is None
    assert choice.why is not None
    assert "\n" not in choice.why
    for kind in METERS:
        assert (kind.name in choice.why) is kind.automatic


def test_none_is_switched_off(tmp_path: Path) -> None:
    """Also on a board that has one."""
    choice = choose("none", board(tmp_path, PI5_RAILS))
    assert choice.meter is None
    assert choice.why == "switched off with --meter none"


def test_a_meter_that_was_named_must_be_there(tmp_path: Path) -> None:
    """Nothing else is taken in its place."""
    add_chip(tmp_path, 0, "ina219", "i2c-1/1-0040", INA219)
    assert choose("hwmon:ina219", board(tmp_path)).meter is not None
    for name in ("pmic", "hwmon:ina226", "rapl", "estimate", "csv:/none", "line:/none"):
        with pytest.raises(UnavailableError):
            choose(name, board(tmp_path))


@pytest.mark.parametrize("name", ["", "wattmeter", "PMIC", "auto:1", "none:", "pmic:core", "csv", "csv:", "line"])
def test_names_that_mean_nothing(tmp_path: Path, name: str) -> None:
    """The hint says what may be named."""
    with pytest.raises(TbftError) as caught:
        choose(name, board(tmp_path))
    assert not isinstance(caught.value, UnavailableError)
    assert "`meter`" in caught.value.hint


def test_the_survey_has_every_kind(tmp_path: Path) -> None:
    """What is there, and why the others are not."""
    found = {finding.name: finding for finding in survey(board(tmp_path, PI5_RAILS))}
    assert list(found) == [kind.name for kind in METERS]
    assert found["pmic"].meter is not None
    assert "no current monitor" in found["hwmon"].why
    assert found["hwmon"].hint
    assert "`meter` csv:FILE" in found["csv"].why


def test_no_file_of_a_meter_is_forgotten() -> None:
    """One that lies in the folder and is not listed would never be tried."""
    folder = Path(registry.__file__).parent
    listed = {kind.find.__module__.rpartition(".")[2] for kind in METERS}
    assert {path.stem for path in folder.glob("*.py")} - INFRASTRUCTURE == listed
    assert len({kind.name for kind in METERS}) == len(METERS)


def test_the_meter_in_the_documentation_is_a_file_and_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the documentation tells whoever adds one, done."""
    code = DOCUMENTATION.read_text().partition("```python\n")[2].partition("```")[0]
    (tmp_path / "lamp.py").write_text(code)
    monkeypatch.setattr(meters, "__path__", [*meters.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "METERS", (*METERS, registry._kind("lamp")))
    with pytest.raises(UnavailableError, match="no lamp"):
        choose("lamp", board(tmp_path))
    write(tmp_path / "sys/class/leds/lamp", {"brightness": 1})
    meter = choose("lamp", board(tmp_path)).meter
    assert meter is not None
    assert meter.sample()[0].value == 40
    assert survey(board(tmp_path))[-1].meter is not None
