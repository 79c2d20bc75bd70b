"""Which power channels the kernel's hardware monitors have, and how each is read and called."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tbft_runtime.board.access import Board
from tbft_runtime.meters.meter import MeterError
from tbft_runtime.meters.sysfs import read_number, read_text

# Chips that do nothing but measure the power that flows through them. Others that report power (graphics cards,
# batteries, network cards) see a part of the board only and are taken when they are named.
CURRENT_MONITORS = frozenset(
    {
        *("ina209", "ina219", "ina220", "ina226", "ina228", "ina230", "ina231", "ina233", "ina234", "ina237"),
        *("ina238", "ina260", "ina2xx", "ina3221", "isl28022", "ltc2945", "ltc2947", "ltc4151", "sy24655"),
    }
)
# Where volts and amperes of one number do not belong together: behind its three channels, an INA3221 shows
# shunt voltages as in4 to in6 and the sum of all currents as curr4.
_PAIRED_CHANNELS = {"ina3221": 3}
_MICRO = 1e-6


@dataclass(frozen=True)
class Channel:
    """A power channel: `files` hold microwatts, or millivolts and milliamperes, which are multiplied.

    `address` is the name of the device (`1-0040`: I2C bus 1, address 0x40), which unlike a hwmon number
    stays the same; `label` is what the wiring's description calls it. `alone`: the chip has no other channel.
    """

    chip: str
    address: str
    number: int
    label: str | None
    alone: bool
    files: tuple[Path, ...]
    folder: Path

    @property
    def name(self) -> str:
        """What "hwmon:" takes, and means this channel only."""
        return self.address if self.alone else f"{self.address}/{self.label or self.number}"

    def is_called(self, wanted: str) -> bool:
        """Whether `wanted` is its name, address, chip or label."""
        names = [self.name, self.address, self.chip]
        if self.label is not None:
            names += [self.label, f"{self.address}/{self.label}"]
        return wanted.casefold() in {name.casefold() for name in names}

    def watts(self) -> float:
        """Now. Raises MeterError if it cannot be read, or is negative."""
        watts = math.prod(read_number(file) for file in self.files) * _MICRO
        if watts < 0:
            raise MeterError(f"{self.name} reports {watts:.3g} W: is its shunt connected the other way round?")
        return watts


def channels(board: Board) -> list[Channel]:
    """All power channels of all chips, in the order of their names."""
    found = [channel for folder in board.root.glob("sys/class/hwmon/hwmon*") for channel in _of_chip(folder)]
    return sorted(found, key=lambda channel: channel.name)


def _of_chip(folder: Path) -> list[Channel]:
    try:
        chip = read_text(folder / "name")
        names = {path.name for path in folder.iterdir()}
    except (OSError, MeterError):
        return []
    device = folder / "device"
    address = device.resolve().name if device.exists() else chip
    readable = _power_files(names) or _pairs(names, _PAIRED_CHANNELS.get(chip))
    enabled = {number: files for number, files in readable.items() if not _is_off(folder, number)}
    return [
        Channel(
            chip=chip,
            address=address,
            number=number,
            label=_label(folder, number),
            alone=len(enabled) == 1,
            files=tuple(folder / file for file in files),
            folder=folder,
        )
        for number, files in enabled.items()
    ]


def _power_files(names: set[str]) -> dict[int, tuple[str, ...]]:
    """The file of each number; one with the present power is preferred to one with a mean."""
    kinds = ("average", "input")
    return {
        number: (f"power{number}_{kind}",)
        for kind in kinds
        for number in _numbers(names, rf"power(\d+)_{kind}")
        if kind == "input" or f"power{number}_input" not in names
    }


def _pairs(names: set[str], last: int | None) -> dict[int, tuple[str, ...]]:
    """Volts and amperes with the same number; in0 is the shunt's voltage where there is one."""
    both = set(_numbers(names, r"in([1-9]\d*)_input")) & set(_numbers(names, r"curr(\d+)_input"))
    return {n: (f"in{n}_input", f"curr{n}_input") for n in sorted(both) if last is None or n <= last}


def _numbers(names: set[str], pattern: str) -> Sequence[int]:
    return sorted(int(found[1]) for name in names if (found := re.fullmatch(pattern, name, re.ASCII)))


def _is_off(folder: Path, number: int) -> bool:
    try:
        return read_text(folder / f"in{number}_enable") == "0"
    except MeterError:
        return False


def _label(folder: Path, number: int) -> str | None:
    for quantity in ("power", "in", "curr"):
        try:
            return read_text(folder / f"{quantity}{number}_label")
        except MeterError:
            continue
    return None
