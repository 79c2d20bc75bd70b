"""Boards with meters: trees of sysfs and what vcgencmd prints, as the real ones look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tbft_runtime.board.access import Board

# A Raspberry Pi 5 at work, as `vcgencmd pmic_read_adc` prints it.
PI5_RAILS = """ 3V7_WL_SW_A current(0)=0.09466522A
   3V3_SYS_A current(1)=0.08197812A
   1V8_SYS_A current(2)=0.15029320A
  DDR_VDD2_A current(3)=0.00390372A
  DDR_VDDQ_A current(4)=0.00000000A
   1V1_SYS_A current(5)=0.20299340A
    0V8_SW_A current(6)=0.30546610A
  VDD_CORE_A current(7)=1.11625000A
   3V3_DAC_A current(17)=0.00000000A
   3V3_ADC_A current(18)=0.00018315A
   0V8_AON_A current(16)=0.00274725A
      HDMI_A current(22)=0.01660560A
 3V7_WL_SW_V volt(8)=3.62925200V
   3V3_SYS_V volt(9)=3.31652900V
   1V8_SYS_V volt(10)=1.79877700V
  DDR_VDD2_V volt(11)=1.10146400V
  DDR_VDDQ_V volt(12)=0.60622650V
   1V1_SYS_V volt(13)=1.10402800V
    0V8_SW_V volt(14)=0.79853400V
  VDD_CORE_V volt(15)=0.74944980V
   3V3_DAC_V volt(20)=3.31043600V
   3V3_ADC_V volt(21)=3.31684600V
   0V8_AON_V volt(19)=0.79794790V
      HDMI_V volt(23)=5.10138000V
     EXT5V_V volt(24)=5.08530000V
      BATT_V volt(25)=0.00000000V"""
# What firmware says that knows no such command.
NOT_REGISTERED = 'vc_gencmd_read_response returned -1\nerror=1 error_msg="Command not registered"'


def board(root: Path, printed: str | None = None) -> Board:
    """A board whose files lie below `root` and whose vcgencmd prints `printed` (None: it has no vcgencmd)."""

    def run(command: Sequence[str]) -> str | None:
        return printed if list(command) == ["vcgencmd", "pmic_read_adc"] else None

    return Board(root, run)


def board_called(root: Path, model: str) -> Board:
    """A board whose device tree names its model."""
    write(root / "proc/device-tree", {"model": f"{model}\0"})
    return board(root)


def write(folder: Path, files: Mapping[str, str | int]) -> Path:
    """Files with a line each, as sysfs has them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(f"{text}\n")
    return folder


def add_chip(root: Path, number: int, chip: str, device: str, files: Mapping[str, str | int]) -> Path:
    """A hardware monitor `hwmon{number}`; its folder, a link as in sysfs."""
    real = write(root / f"sys/devices/{device}/hwmon/hwmon{number}", {"name": chip, **files})
    (real / "device").symlink_to("../..")
    link = root / f"sys/class/hwmon/hwmon{number}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(real)
    return link


INA219 = {"in0_input": 9, "in1_input": 5064, "curr1_input": 892, "power1_input": 4_520_000, "shunt_resistor": 10_000}
INA226 = {**INA219, "power1_input": 4_525_000, "update_interval": 250}
INA260 = {"in1_input": 5121, "curr1_input": 640, "power1_input": 3_280_000, "update_interval": 2}


def _labelled(number: int, label: str, millivolts: int, milliamperes: int) -> dict[str, str | int]:
    names = (f"in{number}_label", f"in{number}_input", f"curr{number}_input", f"in{number}_enable")
    return dict(zip(names, (label, millivolts, milliamperes, 1), strict=True))


# A Jetson's: three channels with labels, the shunt voltages behind them, the sum of the currents.
INA3221: dict[str, str | int] = {
    **_labelled(1, "VDD_IN", 4960, 1200),
    **_labelled(2, "VDD_CPU_GPU_CV", 4952, 400),
    **_labelled(3, "VDD_SOC", 4944, 300),
    "in4_input": 6,
    "in5_input": 2,
    "in6_input": 1,
    "in7_label": "sum of shunt voltages",
    "in7_input": 9,
    "curr4_input": 1900,
    "shunt1_resistor": 5000,
    "update_interval": 3,
}
AMDGPU = {"power1_average": 31_000_000, "power1_label": "PPT", "in0_input": 793, "freq1_input": 800_000_000}
BATTERY = {"in0_input": 12_400, "curr1_input": 1510, "power1_input": 18_700_000}


def add_domain(root: Path, number: str, name: str, microjoules: int, largest: int = 262_143_328_850) -> Path:
    """A RAPL domain `intel-rapl:{number}`; its folder."""
    files = {"name": name, "energy_uj": microjoules, "max_energy_range_uj": largest}
    return write(root / f"sys/class/powercap/intel-rapl:{number}", files)


def set_number(file: Path, value: int | str) -> None:
    """The kernel shows another figure."""
    file.write_text(f"{value}\n")


def deny(monkeypatch: pytest.MonkeyPatch, denied: Path) -> None:
    """Let `denied` be a file that this user may not read; root may read everything, so its mode would not do."""
    read = Path.read_text

    def refuse(path: Path, encoding: str | None = None, errors: str | None = None) -> str:
        if path == denied:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, encoding, errors)

    monkeypatch.setattr(Path, "read_text", refuse)
