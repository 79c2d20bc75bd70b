"""Current sensors that the kernel reads: INA219, INA226, INA260, INA3221 and the like."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tbft_runtime.board.access import Board
from tbft_runtime.meters.hwmon_channels import CURRENT_MONITORS, Channel, channels
from tbft_runtime.meters.meter import Meter, MeterError, MeterKind, Sample, Source, UnavailableError
from tbft_runtime.meters.sysfs import DeniedError, read_number

_HERTZ = 10.0
_LEFT_OUT = "without offset, and without the shunt resistor"


@dataclass(frozen=True)
class _Accuracy:
    """Largest gain errors at 25 °C, as fractions, of current and voltage, and the data sheet that states them."""

    current: float
    voltage: float
    sheet: str
    left_out: str = _LEFT_OUT

    @property
    def words(self) -> str:
        errors = f"{self.current:.2%} (current) and {self.voltage:.2%} (voltage)"
        return f"Texas Instruments {self.sheet}: gain errors of at most {errors} at 25 °C, {self.left_out}"


_ACCURACY = {
    "ina219": _Accuracy(0.005, 0.005, "SBOS448, grade A"),
    "ina226": _Accuracy(0.001, 0.001, "SBOS547"),
    "ina230": _Accuracy(0.005, 0.005, "SBOS601"),
    "ina231": _Accuracy(0.005, 0.005, "SBOS644"),
    "ina260": _Accuracy(0.0015, 0.001, "SBOS656", "its own shunt resistor included, without offset"),
    "ina3221": _Accuracy(0.0025, 0.0025, "SBOS576"),
}


class HwmonMeter:
    """One power channel of a chip."""

    measures: Literal["watts", "joules"] = "watts"
    idle_watts: float | None = None

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.hertz = _hertz(channel)
        accuracy = _ACCURACY.get(channel.chip)
        self.source = Source(
            meter=f"hwmon:{channel.name}",
            type="sensor",
            scope=f"what flows through {channel.label or 'the sensor'} ({channel.chip} at {channel.address})",
            missing=("everything that is not supplied through this sensor",),
            uncertainty=accuracy.current + accuracy.voltage if accuracy else None,
            basis=(accuracy.words if accuracy else f"no accuracy is known for {channel.chip}",),
        )

    def start(self) -> None:
        """Nothing is kept open."""

    def sample(self) -> Sequence[Sample]:
        began = time.perf_counter()
        watts = self._channel.watts()
        return [Sample((began + time.perf_counter()) / 2, watts)]

    def stop(self) -> None:
        """Nothing was kept open."""


def find(board: Board, argument: str | None) -> Meter:
    """The channel called `argument`, or the only one of a current monitor; it is read once.

    Raises UnavailableError if there is none or more than one, or it cannot be read.
    """
    channel = _choose(channels(board), argument)
    try:
        channel.watts()
    except DeniedError as error:
        raise UnavailableError(str(error), "run as root, or let your user read it with a udev rule") from None
    except MeterError as error:
        raise UnavailableError(str(error), "look whether the sensor is connected: dmesg, i2cdetect") from None
    return HwmonMeter(channel)


def _choose(there: Sequence[Channel], wanted: str | None) -> Channel:
    if wanted is None:
        found = [channel for channel in there if channel.chip in CURRENT_MONITORS]
        message = "the kernel knows no current monitor"
    else:
        found = [channel for channel in there if channel.is_called(wanted)]
        message = f"the kernel knows no power channel {wanted!r}"
    if len(found) == 1:
        return found[0]
    if found:
        raise UnavailableError(f"there are several power channels: {_listed(found)}", "name one: `meter` hwmon:NAME")
    if there:
        raise UnavailableError(message, f"name one of these: {_listed(there)}")
    raise UnavailableError(message, "connect one and load its driver, like dtoverlay=i2c-sensor,ina219")


def _listed(there: Sequence[Channel]) -> str:
    return ", ".join(f"{channel.name} ({channel.chip})" for channel in there)


def _hertz(channel: Channel) -> float:
    """No more often than the chip has a new figure."""
    try:
        milliseconds = read_number(channel.folder / "update_interval")
    except MeterError:
        return _HERTZ
    return min(_HERTZ, 1000 / milliseconds) if milliseconds > 0 else _HERTZ


KIND = MeterKind(
    name="hwmon",
    argument="NAME",
    needs_argument=False,
    automatic=True,
    find=find,
)
