"""The power chip of a Raspberry Pi 5, which measures volts and amperes of its rails."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tbft_runtime.board.access import Board
from tbft_runtime.meters.meter import Meter, MeterError, MeterKind, Sample, Source, UnavailableError

_COMMAND = ("vcgencmd", "pmic_read_adc")
# `  VDD_CORE_A current(7)=1.23400000A`: the number in brackets is the converter's channel, not the rail.
_READING = re.compile(r"\s*(\w+)_(A current|V volt)\(\d+\)=(\d+(?:\.\d+)?)[AV]\s*", re.ASCII)
# What the rails feed whose current the chip does not sense.
_UNSENSED = {"EXT5V": "the 5 V input: USB devices, HATs and conversion losses", "BATT": "the battery of the clock"}


@dataclass(frozen=True)
class Rails:
    """One reading: volts and amperes by the name of the rail."""

    volts: Mapping[str, float]
    amperes: Mapping[str, float]

    @property
    def sensed(self) -> tuple[str, ...]:
        """The rails whose power is known."""
        return tuple(name for name in self.amperes if name in self.volts)

    @property
    def unsensed(self) -> tuple[str, ...]:
        """The rails of which only one of both is known."""
        return tuple(name for name in {**self.volts, **self.amperes} if name not in self.sensed)

    def watts(self, rails: Sequence[str]) -> float:
        """Their power together. Raises MeterError if one is missing: a smaller sum would be wrong."""
        missing = [name for name in rails if name not in self.sensed]
        if missing:
            raise MeterError(f"vcgencmd did not report the rails {', '.join(missing)}")
        return sum(self.volts[name] * self.amperes[name] for name in rails)


def parse_rails(printed: str) -> Rails:
    """What `vcgencmd pmic_read_adc` prints; other lines are left out."""
    volts: dict[str, float] = {}
    amperes: dict[str, float] = {}
    for line in printed.splitlines():
        if found := _READING.fullmatch(line):
            name, quantity, value = found.groups()
            (amperes if quantity == "A current" else volts)[name] = float(value)
    return Rails(volts, amperes)


class PmicMeter:
    """The sum over the rails that the first reading showed with volts and amperes."""

    measures: Literal["watts", "joules"] = "watts"
    # Each reading starts a process, which takes some 10 ms of a core.
    hertz = 2.0
    idle_watts: float | None = None

    def __init__(self, board: Board, first: Rails) -> None:
        self._board = board
        self._rails = first.sensed
        self.source = Source(
            meter="pmic",
            type="sensor",
            scope=f"the {len(self._rails)} rails of a Raspberry Pi 5 whose current its power chip senses",
            missing=tuple(_UNSENSED.get(name, f"the rail {name}") for name in first.unsensed),
            basis=("no accuracy is published for this chip; no correction is applied",),
        )

    def start(self) -> None:
        """Nothing is kept open."""

    def sample(self) -> Sequence[Sample]:
        began = time.perf_counter()
        printed = self._board.run(_COMMAND)
        ended = time.perf_counter()
        if printed is None:
            raise MeterError(f"{' '.join(_COMMAND)} failed")
        return [Sample((began + ended) / 2, parse_rails(printed).watts(self._rails))]

    def stop(self) -> None:
        """Nothing was kept open."""


def find(board: Board, _argument: str | None) -> Meter:
    """The meter, after one reading. Raises UnavailableError on every board but a Raspberry Pi 5."""
    first = parse_rails(board.run(_COMMAND) or "")
    if not first.sensed:
        raise UnavailableError(
            "this board senses no current",
            "a Raspberry Pi 5 does, for members of the group video; elsewhere connect a sensor or an external meter",
        )
    return PmicMeter(board, first)


KIND = MeterKind(
    name="pmic",
    argument=None,
    needs_argument=False,
    automatic=True,
    find=find,
)
