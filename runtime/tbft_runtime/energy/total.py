"""From the energy of epochs to that of a run."""

from __future__ import annotations

from collections.abc import Sequence

from tbft_runtime.energy.result import Energy, StretchEnergy


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


def total(stretches: Sequence[tuple[float, StretchEnergy | None]], reason: str) -> Energy:
    """The sum of (seconds, energy) of all epochs; `reason` says why there is none, if there is none.

    Joules of different meters are never added: those of the meter that measured last count, and the
    epochs of another one, before a run was interrupted, as not covered.
    """
    if not stretches:
        return unmeasured(0.0, "joules are counted in epochs, and there was none")
    seconds = sum(duration for duration, _ in stretches)
    measured = [energy for _, energy in stretches if energy is not None and energy.covered_seconds > 0]
    if not measured:
        return unmeasured(seconds, reason)
    source = measured[-1].source
    ours = [energy for energy in measured if energy.source == source]
    joules = sum(energy.joules for energy in ours)
    covered = sum(energy.covered_seconds for energy in ours)
    samples = sum(energy.samples for energy in ours)
    return Energy(
        source=source,
        unavailable=None,
        seconds=seconds,
        covered=min(1.0, covered / seconds),
        joules=joules,
        idle_watts=_mean_idle(ours),
        net_joules=_net(ours),
        mean_watts=joules / covered,
        sampling_joules=abs(sum(energy.sampling_joules for energy in ours)),
        hertz=samples / covered,
        samples=samples,
        failed=sum(energy.failed for _, energy in stretches if energy is not None),
    )


def _net(stretches: Sequence[StretchEnergy]) -> float | None:
    """Joules beyond what the idle board would have taken; each part of a run has its own idle watts."""
    net = 0.0
    for energy in stretches:
        if energy.idle_watts is None:
            return None
        net += energy.joules - energy.idle_watts * energy.covered_seconds
    return net


def _mean_idle(stretches: Sequence[StretchEnergy]) -> float | None:
    """Weighted by time."""
    total_seconds = sum(energy.covered_seconds for energy in stretches)
    idle = 0.0
    for energy in stretches:
        if energy.idle_watts is None:
            return None
        idle += energy.idle_watts * energy.covered_seconds / total_seconds
    return idle
