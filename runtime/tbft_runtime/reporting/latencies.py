"""How the times of a run are spread, over all its epochs."""

from __future__ import annotations

from tbft_runtime.run.state import TrainingState
from tbft_runtime.timing import PHASES, WARMING, Latency, latency, warm_laps


def latencies(state: TrainingState) -> dict[str, Latency]:
    """Percentiles by phase, whole train steps first; the first step of a process warms up and is left out."""
    stretches: dict[str, list[tuple[list[float], bool]]] = {
        "step": [(epoch.step_ms, epoch.warm_up) for epoch in state.epochs],
        **{phase: [] for phase in PHASES},
    }
    for time in state.preparation:
        stretches[time.phase].append((time.laps_ms, False))
    for epoch in state.epochs:
        for time in epoch.phases:
            stretches[time.phase].append((time.laps_ms, epoch.warm_up and time.phase in WARMING))
    found = {name: latency(*warm_laps(parts)) for name, parts in stretches.items()}
    return {name: spread for name, spread in found.items() if spread is not None}
