"""Meters of other packages: checked as they come in, so that nothing behind the registry asks where one is from."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import msgspec

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plugins import Plugin, PluginError, describe
from tbft_runtime.board.access import Board
from tbft_runtime.meters.meter import Meter, MeterError, MeterKind, Sample, Source


def load_kind(plugin: Plugin) -> MeterKind:
    """The kind that the entry point names, itself or as the KIND of a module.

    Its `find` raises UnavailableError, or PluginError where it is broken, and its meters raise what built-in ones do.
    Raises PluginError if it cannot be loaded, is no MeterKind or has another name than its entry point.
    """
    loaded = plugin.load()
    kind = getattr(loaded, "KIND", loaded)
    if not isinstance(kind, MeterKind):
        raise PluginError(plugin, f"its entry point names an object of type {type(loaded).__name__}, not a MeterKind")
    if kind.name != plugin.name:
        raise PluginError(plugin, f"its KIND has another name: {kind.name!r}")

    def find(board: Board, argument: str | None) -> Meter:
        with plugin.guard():
            return _ForeignMeter(plugin, kind.find(board, argument))

    return replace(kind, find=find)


class _Promises(msgspec.Struct):
    """What `Meter` promises beside its methods, with types that are checked."""

    measures: Literal["watts", "joules"]
    hertz: Annotated[float, msgspec.Meta(gt=0)]
    idle_watts: Annotated[float, msgspec.Meta(ge=0)] | None


class _ForeignMeter:
    """Passes on what the meter of another package says; what goes wrong in it ends no run."""

    def __init__(self, plugin: Plugin, meter: Meter) -> None:
        """Raises PluginError, or msgspec.ValidationError, if it lacks what `Meter` promises."""
        for name in ("start", "sample", "stop"):
            if not callable(getattr(meter, name, None)):
                raise PluginError(plugin, f"its meter has no {name}()")
        promises = msgspec.convert(meter, _Promises, from_attributes=True)
        # A report that holds anything else could not be read again.
        self.source = msgspec.convert(msgspec.to_builtins(meter.source), Source)
        if self.source.meter.partition(":")[0] != plugin.name:
            raise PluginError(plugin, f"its joules would come from {self.source.meter!r}, which is another meter")
        self.measures, self.hertz, self.idle_watts = promises.measures, promises.hertz, promises.idle_watts
        self._plugin, self._meter = plugin, meter

    def start(self) -> None:
        """Open what it reads from. Raises UnavailableError, or PluginError where it is broken."""
        with self._plugin.guard():
            self._meter.start()

    def sample(self) -> Sequence[Sample]:
        """What is new since the last call. Raises MeterError."""
        try:
            samples = tuple(self._meter.sample())
            numbers = [number for sample in samples for number in (sample.seconds, sample.value)]
            if not all(map(math.isfinite, numbers)):
                raise MeterError("it gave a sample that is no number")
        except (MeterError, KeyboardInterrupt):
            raise
        except BaseException as error:  # It is asked in a thread whose end would be the end of metering.
            raise MeterError(describe(error)) from error
        return samples

    def stop(self) -> None:
        """Close it. A run is not spoiled by what goes wrong now."""
        with contextlib.suppress(TbftError), self._plugin.guard():
            self._meter.stop()
