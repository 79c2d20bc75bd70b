"""What a run cost and gained beside other ones: a fact each, which tables take as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.energy import partly
from tbft_edge.facts.fact import Fact
from tbft_edge.facts.results import Change, accuracy
from tbft_edge.facts.trained import trained
from tbft_edge.figures import DASH, joules, milliseconds, percent, seconds, significant

if TYPE_CHECKING:
    from tbft_runtime.reporting.comparison import Row

BASELINE = "baseline"


def blocks(row: Row) -> Fact:
    """What it trained."""
    return Fact("trained", trained(row.drift, row.blocks))


def epochs(row: Row) -> Fact:
    """How many it took."""
    return Fact("epochs", f"{row.epochs:,}")


def time(row: Row) -> Fact:
    """That of its epochs."""
    return Fact("time", seconds(row.seconds))


def step(row: Row) -> Fact:
    """A usual train step."""
    return Fact("step p50", milliseconds(row.step_ms))


def energy(row: Row) -> Fact:
    """All that the meter counted in its epochs."""
    return _joules("energy", row.joules, row)


def net(row: Row) -> Fact:
    """The same without what the idle board takes."""
    return _joules("net", row.net_joules, row)


def saved_time(row: Row) -> Fact:
    """Against the baseline, which saves nothing against itself."""
    return Fact("saved time", BASELINE if row.baseline else percent(row.saved_seconds))


def saved_energy(row: Row) -> Fact:
    """Likewise, of the gross energy."""
    if row.baseline and row.joules is not None:
        return Fact("saved energy", BASELINE)
    return Fact("saved energy", percent(row.saved_joules), is_estimate=row.estimate)


def before_and_after(row: Row) -> Fact:
    """Validation accuracy."""
    return Fact("accuracy", accuracy(row.accuracy_before, row.accuracy_after).words)


def old_before_and_after(row: Row) -> Fact:
    """The same of images of the source domain, where the bundle keeps some."""
    return Fact(
        "old-data accuracy", Change("", percent(row.old_accuracy_before), percent(row.old_accuracy_after)).words
    )


def gained(row: Row) -> Fact:
    """Percentage points of it."""
    return Fact("points gained", DASH if row.gained_points is None else f"{row.gained_points:+.1f}")


def joules_per_point(row: Row) -> Fact:
    """What each of them cost."""
    return Fact("J/point", significant(row.joules_per_point), is_estimate=row.estimate)


def _joules(name: str, value: float | None, row: Row) -> Fact:
    if value is None:
        return Fact(name, DASH)
    return Fact(name, joules(value), partly(row.covered), is_estimate=row.estimate)
