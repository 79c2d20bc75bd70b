"""Time and memory that a run took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.fact import Fact, Group
from tbft_edge.figures import DASH, milliseconds, seconds, significant, size

if TYPE_CHECKING:
    from tbft_runtime.reporting.report import Report
    from tbft_runtime.reporting.result import TrainResult


def time_and_memory(report: Report) -> Group:
    """All of it; how the time of each phase is spread, a table says."""
    result = report.result
    return Group("Time and memory", (time_in_epochs(result), step(result), _throughput(report), peak_memory(result)))


def time_in_epochs(result: TrainResult) -> Fact:
    """What every comparison is about."""
    name = "time in epochs"
    if not result.epochs:
        return Fact(name, DASH, "no epoch: no weight was trained", is_brief=True)
    return Fact(name, seconds(result.train_seconds), is_brief=True)


def step(result: TrainResult) -> Fact:
    """A usual train step."""
    spread = result.latency.get("step")
    if spread is None:
        return Fact("step", DASH, "no train step was timed", is_brief=True)
    return Fact("step", milliseconds(spread.p50_ms), "p50", is_brief=True)


def peak_memory(result: TrainResult) -> Fact:
    """The largest resident size of the process."""
    return Fact("peak memory", size(result.peak_memory_bytes), f"{size(result.memory.total)} predicted", is_brief=True)


def _throughput(report: Report) -> Fact:
    speed = report.result.images_per_second
    if speed is None:
        return Fact("throughput", DASH)
    return Fact("throughput", f"{significant(speed)} {report.noun}s/s")
