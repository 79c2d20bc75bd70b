"""Exits of a network, as tables: where images leave, how often they are right, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.figures import DASH, estimated, percent, significant
from tbft_edge.tables.table import Table

if TYPE_CHECKING:
    from tbft_artifacts.preprocessing import Noun
    from tbft_runtime.exits.record import EarlyAnswers
    from tbft_runtime.inference.answering import AnswerCost, SingleAnswers


def exit_shares(early: EarlyAnswers, noun: Noun, which: str = "") -> Table:
    """A row for each exit, and one for the answers that people get: of the first exit that is sure enough.

    `noun` is what one of those is called that were answered, `which` what stands before it.
    """
    rows = [
        [
            found.name,
            _operations(found.flops),
            percent(found.accuracy),
            percent(found.share),
            percent(found.share_accuracy),
        ]
        for found in early.exits
    ]
    rows.append(["together", _operations(early.mean_flops), DASH, percent(1.0), percent(early.accuracy)])
    columns = ["exit", f"FLOPs per {noun}", f"accuracy, all {noun}s", "leave here", "accuracy of those"]
    title = f"{early.images:,} {which}{noun}s, leaving where {early.threshold:.1%} sure"
    return Table(title, columns, rows, numbers=True)


def single_answers(single: SingleAnswers, noun: Noun) -> Table:
    """One `noun` at a time: early answers beside those of the whole network."""
    ways = [("the whole network", single.whole)]
    if single.early is not None:
        ways.insert(0, ("early answers", single.early))
    rows = [[name, *_cost(cost)] for name, cost in ways]
    faster = "" if single.speedup is None else f", {_times(single.speedup)} on average"
    threads = f"{single.threads} thread{'' if single.threads == 1 else 's'}"
    columns = ["", "mean", "median", f"half of the {noun}s", "energy", "above idle"]
    return Table(f"One {noun} at a time, {threads}{faster}", columns, rows, numbers=True)


def _times(speedup: float) -> str:
    if speedup < 1:
        return f"{significant(1 / speedup)} times slower"
    return f"{significant(speedup)} times faster"


def _cost(cost: AnswerCost) -> list[str]:
    source = cost.energy.source
    estimate = source is not None and source.type == "estimate"
    return [
        significant(cost.mean_ms, "ms"),
        significant(cost.median_ms, "ms"),
        f"{significant(cost.lower_ms)} to {significant(cost.upper_ms, 'ms')}",
        estimated(_joules(cost.joules), estimate),
        estimated(_joules(cost.net_joules), estimate),
    ]


def _joules(joules: float | None) -> str:
    return DASH if joules is None else significant(1000 * joules, "mJ")


def _operations(flops: float) -> str:
    return f"{flops / 1e6:,.1f} M"
