"""From the energy of epochs to that of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tbft_runtime.energy.result import Energy, StretchEnergy
from tbft_runtime.meters.meter import Source


def share(part: float, whole: float) -> float:
    """How much of `whole` is `part`, 0 to 1; of nothing, nothing."""
    return min(1.0, part / whole) if whole > 0 else 0.0


def unmeasured(seconds: float, reason: str) -> Energy:
    """There are no joules, and why."""
    return Energy(
        source=None,
        unavailable=reason,
        seconds=seconds,
        covered=0.0,
        joules=None,
        idle_watts=None,
        net_joules=None,
        mean_watts=None,
        sampling_joules=None,
        hertz=None,
        samples=0,
        failed=0,
    )


def total(stretches: Iterable[tuple[float, StretchEnergy | None]], reason: str) -> Energy:
    """The sum of (seconds, energy) of all epochs; `reason` says why there is none, if there is none."""
    energy = EnergySum()
    for seconds, stretch in stretches:
        energy.add(seconds, stretch)
    return energy.total(reason)


@dataclass
class EnergySum:
    """Adds up seconds and energy of epochs, one by one.

    Joules of different meters are never added: those of the meter that measured last count, and the
    epochs of another one, before a run was interrupted, as not covered.
    """

    stretches: int = 0
    seconds: float = 0.0
    _failed: int = 0
    _of: dict[Source, _SourceSum] = field(default_factory=dict)
    _last: Source | None = None

    def add(self, seconds: float, energy: StretchEnergy | None) -> None:
        """One more epoch."""
        self.stretches += 1
        self.seconds += seconds
        if energy is None:
            return
        self._failed += energy.failed
        if energy.covered_seconds > 0:
            self._last = energy.source
            self._of.setdefault(energy.source, _SourceSum()).add(energy)

    def total(self, reason: str) -> Energy:
        """Of all; `reason` says why there are no joules, if there are none."""
        if not self.stretches:
            return unmeasured(0.0, "joules are counted in epochs, and there was none")
        if self._last is None:
            return unmeasured(self.seconds, reason)
        ours = self._of[self._last]
        return Energy(
            source=self._last,
            unavailable=None,
            seconds=self.seconds,
            covered=share(ours.covered, self.seconds),
            joules=ours.joules,
            idle_watts=None if ours.idle_joules is None else ours.idle_joules / ours.covered,
            net_joules=None if ours.idle_joules is None else ours.joules - ours.idle_joules,
            mean_watts=ours.joules / ours.covered,
            sampling_joules=abs(ours.sampling_joules),
            hertz=ours.samples / ours.covered,
            samples=ours.samples,
            failed=self._failed,
        )


@dataclass
class _SourceSum:
    """What one meter said; `idle_joules` is what the idle board would have taken, None where that is not known."""

    joules: float = 0.0
    covered: float = 0.0
    idle_joules: float | None = 0.0
    sampling_joules: float = 0.0
    samples: int = 0

    def add(self, energy: StretchEnergy) -> None:
        self.joules += energy.joules
        self.covered += energy.covered_seconds
        self.sampling_joules += energy.sampling_joules
        self.samples += energy.samples
        # Each part of a run has its own idle watts.
        if self.idle_joules is None or energy.idle_watts is None:
            self.idle_joules = None
        else:
            self.idle_joules += energy.idle_watts * energy.covered_seconds
