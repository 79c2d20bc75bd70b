"""How the time of each phase is spread, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.figures import milliseconds
from tbft_edge.tables.table import Table

if TYPE_CHECKING:
    from tbft_runtime.reporting.result import TrainResult


def latency_table(result: TrainResult) -> Table:
    """A row per phase that there was, whole steps first."""
    from tbft_runtime.timing import PHASES

    order: list[str] = ["step", *PHASES]
    phases = sorted(result.latency, key=lambda name: order.index(name) if name in order else len(order))
    rows = [
        [
            "whole step" if name == "step" else name,
            f"{found.count:,}",
            f"{found.warm_up:,}",
            milliseconds(found.p50_ms),
            milliseconds(found.p95_ms),
            milliseconds(found.p99_ms),
        ]
        for name, found in ((name, result.latency[name]) for name in phases)
    ]
    return Table("Latency by phase", ["phase", "times", "warm-up left out", "p50", "p95", "p99"], rows, numbers=True)
