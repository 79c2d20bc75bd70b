"""The page's plots, by file name."""

from __future__ import annotations

from benchmarks import names
from benchmarks.figures import DEFAULTS, step_ms
from benchmarks.goals import DRIFTS, NETWORKS
from benchmarks.protocol import Engine, Network
from benchmarks.results import Contestant, Results
from benchmarks.svg import Panel, Series, charts

_DRAWN: tuple[Engine, ...] = ("ours", "pytorch", "channels-last")


def plots(results: Results) -> dict[str, str]:
    """File name -> SVG: for each network a panel per number of threads."""
    counts = sorted({contest.threads for contest in results.steps})
    return {
        f"steps-{network}.svg": charts([_steps(results, network, threads) for threads in counts])
        for network in measured(results)
    }


def measured(results: Results) -> list[Network]:
    """The networks that have results, in the order of the goals."""
    found = {lane.contestant.network for contest in results.steps for lane in contest.lanes}
    return [network for network in NETWORKS if network in found]


def _steps(results: Results, network: Network, threads: int) -> Panel:
    def medians(engine: Engine, *, cached: bool = False) -> tuple[float | None, ...]:
        contestants = [Contestant(engine, drift, DEFAULTS[drift], network) for drift in DRIFTS]
        found = [step_ms(results.steps, contestant, threads, cached) for contestant in contestants]
        return tuple(None if isinstance(value, str) else value.median for value in found)

    ours, *others = (Series(names.ENGINES[engine], medians(engine)) for engine in _DRAWN)
    return Panel(
        title=f"{names.NETWORKS[network]}, {'1 thread' if threads == 1 else f'{threads} threads'}",
        x="drift",
        y="ms per train step",
        labels=tuple(DRIFTS),
        series=(ours, Series("the same from stored", medians("ours", cached=True)), *others),
    )
