"""Current sensors of the kernel: the right one is taken, or none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.meter_trees import (
    AMDGPU,
    BATTERY,
    INA219,
    INA226,
    INA260,
    INA3221,
    add_chip,
    board,
    deny,
    set_number,
)
from tbft_runtime.board.access import THIS_BOARD
from tbft_runtime.meters.hwmon import find
from tbft_runtime.meters.hwmon_channels import CURRENT_MONITORS, channels
from tbft_runtime.meters.meter import MeterError, UnavailableError


def _pc(root: Path) -> Path:
    """Power sensors that see a part of a machine only."""
    add_chip(root, 0, "amdgpu", "pci0000:00/0000:03:00.0", AMDGPU)
    add_chip(root, 1, "BAT0", "platform/BAT0", BATTERY)
    add_chip(root, 2, "cpu_thermal", "virtual/thermal", {"temp1_input": 48_686})
    return root


@pytest.mark.parametrize(
    ("chip", "files", "watts", "hertz", "uncertainty"),
    [
        ("ina219", INA219, 4.52, 10, 0.01),
        ("ina226", INA226, 4.525, 4, 0.002),
        ("ina260", INA260, 3.28, 10, 0.0025),
        ("ina220", INA219, 4.52, 10, None),
    ],
)
def test_the_only_current_monitor_is_taken(
    tmp_path: Path, chip: str, files: dict[str, str | int], watts: float, hertz: float, uncertainty: float | None
) -> None:
    """Not the graphics card, not the battery; a slow chip is asked as often as it has a new figure."""
    add_chip(_pc(tmp_path), 5, chip, "platform/soc/i2c-1/1-0040", files)
    meter = find(board(tmp_path), None)
    assert meter.sample()[0].value == pytest.approx(watts)
    assert meter.hertz == hertz
    assert meter.source.meter == "hwmon:1-0040"
    assert meter.source.uncertainty == (None if uncertainty is None else pytest.approx(uncertainty))
    assert chip in meter.source.scope


def test_volts_times_amperes_of_an_ina3221(tmp_path: Path) -> None:
    """A Jetson's input; the sum of currents must not meet the first shunt's voltage as a fourth channel."""
    add_chip(tmp_path, 3, "ina3221", "platform/i2c-1/1-0040", INA3221)
    assert [channel.name for channel in channels(board(tmp_path))] == [
        "1-0040/VDD_CPU_GPU_CV",
        "1-0040/VDD_IN",
        "1-0040/VDD_SOC",
    ]
    meter = find(board(tmp_path), "VDD_IN")
    assert meter.sample()[0].value == pytest.approx(4.960 * 1.2)
    assert "VDD_IN" in meter.source.scope
    assert meter.source.meter == "hwmon:1-0040/VDD_IN"
    assert find(board(tmp_path), meter.source.meter.removeprefix("hwmon:")).source == meter.source


def test_a_channel_that_is_switched_off_is_not_there(tmp_path: Path) -> None:
    """Nothing is connected to it."""
    add_chip(tmp_path, 3, "ina3221", "platform/i2c-1/1-0040", {**INA3221, "in2_enable": 0, "in3_enable": 0})
    assert find(board(tmp_path), None).source.meter == "hwmon:1-0040"


def test_several_channels_are_listed_to_choose_from(tmp_path: Path) -> None:
    """Which one carries the board, only its owner knows."""
    add_chip(tmp_path, 0, "ina219", "platform/i2c-1/1-0040", INA219)
    add_chip(tmp_path, 1, "ina219", "platform/i2c-1/1-0041", {**INA219, "power1_input": 1_000_000})
    for wanted in (None, "ina219"):
        with pytest.raises(UnavailableError) as caught:
            find(board(tmp_path), wanted)
        assert "1-0040 (ina219), 1-0041 (ina219)" in caught.value.message
    assert find(board(tmp_path), "1-0041").sample()[0].value == 1


def test_hwmon_numbers_are_not_part_of_a_name(tmp_path: Path) -> None:
    """They change from one start of the board to the next."""
    names = []
    for number in (2, 7):
        add_chip(tmp_path / str(number), number, "ina219", "platform/i2c-1/1-0040", INA219)
        names.append(find(board(tmp_path / str(number)), None).source.meter)
    assert names[0] == names[1]


@pytest.mark.parametrize("wanted", ["amdgpu", "PPT", "ppt", "0000:03:00.0"])
def test_a_graphics_card_is_taken_when_it_is_named(tmp_path: Path, wanted: str) -> None:
    """By chip, label or address; the mean power will do where there is no other."""
    assert find(board(_pc(tmp_path)), wanted).sample()[0].value == pytest.approx(31)


@pytest.mark.parametrize("wanted", [None, "1-0040"])
def test_no_current_monitor_says_what_there_is(tmp_path: Path, wanted: str | None) -> None:
    """Sensors of parts of the machine are offered, not taken."""
    with pytest.raises(UnavailableError) as caught:
        find(board(_pc(tmp_path)), wanted)
    assert "BAT0 (BAT0)" in caught.value.hint
    assert "0000:03:00.0 (amdgpu)" in caught.value.hint


def test_nothing_at_all(tmp_path: Path) -> None:
    """A board without sysfs, like a container."""
    with pytest.raises(UnavailableError, match="no current monitor"):
        find(board(tmp_path), None)


def test_denied_is_told_apart_from_garbage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One needs rights, the other another cable."""
    chip = add_chip(tmp_path, 0, "ina219", "platform/i2c-1/1-0040", INA219)
    set_number(chip / "power1_input", "4520000 mW")
    with pytest.raises(UnavailableError, match="holds no number: '4520000 mW'"):
        find(board(tmp_path), None)
    deny(monkeypatch, chip / "power1_input")
    with pytest.raises(UnavailableError, match="may not be read") as caught:
        find(board(tmp_path), None)
    assert "root" in caught.value.hint


def test_a_sensor_that_vanishes_fails_at_each_reading(tmp_path: Path) -> None:
    """Its driver was unbound, or its cable came off."""
    chip = add_chip(tmp_path, 0, "ina219", "platform/i2c-1/1-0040", INA219)
    meter = find(board(tmp_path), None)
    meter.start()
    set_number(chip / "power1_input", "")
    with pytest.raises(MeterError, match="no number"):
        meter.sample()
    shutil.rmtree(chip.resolve())
    for _ in range(2):
        with pytest.raises(MeterError, match="cannot be read"):
            meter.sample()


def test_current_that_flows_back_is_no_power(tmp_path: Path) -> None:
    """A shunt that is connected the wrong way round would give negative joules."""
    chip = add_chip(tmp_path, 0, "ina3221", "i2c-1/1-0040", {"in1_input": 5000, "curr1_input": 100})
    meter = find(board(tmp_path), None)
    set_number(chip / "curr1_input", -100)
    with pytest.raises(MeterError, match="other way round"):
        meter.sample()


def test_the_real_sensors_of_this_machine() -> None:
    """Whatever monitors it has give a plausible power."""
    there = [channel for channel in channels(THIS_BOARD) if channel.chip in CURRENT_MONITORS]
    if not there:
        pytest.skip("this machine has no current monitor in /sys/class/hwmon")
    meter = find(THIS_BOARD, there[0].name)
    meter.start()
    assert 0 <= meter.sample()[0].value < 10_000
    meter.stop()
