"""What a run says about its energy."""

from __future__ import annotations

import msgspec

from tbft_artifacts.structs import Large, Measured, Seconds
from tbft_runtime.meters.meter import Source


class MeteringCost(msgspec.Struct, frozen=True, kw_only=True):
    """What measuring itself took: seconds of a core, and as a part of the run's time (0 to 1)."""

    cpu_seconds: float
    share: float


class StretchEnergy(msgspec.Struct, frozen=True, kw_only=True):
    """What a meter said of one stretch of a run; `sampling_joules` has the sign of the difference."""

    source: Source
    idle_watts: Measured | None
    joules: Measured
    covered_seconds: Seconds
    sampling_joules: Measured
    samples: Large
    failed: Large


class Telemetry(msgspec.Struct, frozen=True, kw_only=True):
    """Board and meter at a moment, `seconds` after the stretch began; watts are the mean since the moment before."""

    seconds: Seconds
    watts: Measured | None
    celsius: Measured | None
    megahertz: Measured | None


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """Power and board at a moment; None where unknown.

    `joules` were taken since this process measured the idle board. `throttled` are the names of what slows the board
    down now. `meter` says where watts and joules come from; `estimate`: it calculates and does not measure.
    """

    watts: float | None = None
    joules: float | None = None
    celsius: float | None = None
    throttled: tuple[str, ...] | None = None
    meter: str | None = None
    estimate: bool = False


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """Joules of a run's epochs, and where they come from.

    `joules` is all that the meter counted within its scope, `net_joules` without what the idle board would
    have taken in that time (`idle_watts`, measured before the run); both only for the `covered` part
    (0 to 1) of `seconds`: what was not measured is not made up. `sampling_joules` is by how much `joules`
    changes when every other sample is left out. `hertz` is how often samples really came; `failed` readings
    gave none. Where there is no meter `source` and the figures are None, and `unavailable` says why.
    """

    source: Source | None
    unavailable: str | None
    seconds: float
    covered: float
    joules: float | None
    idle_watts: float | None
    net_joules: float | None
    mean_watts: float | None
    sampling_joules: float | None
    hertz: float | None
    samples: int
    failed: int
