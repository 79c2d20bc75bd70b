"""Joules of a run, where they come from, and how far they can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.fact import Fact, Group
from tbft_edge.figures import DASH, UNAVAILABLE, hertz, joules, seconds, watts

if TYPE_CHECKING:
    from tbft_runtime.energy.result import Energy
    from tbft_runtime.meters.meter import Source
    from tbft_runtime.reporting.result import TrainResult

ESTIMATE = "estimate"


def energy_groups(result: TrainResult) -> tuple[Group, ...]:
    """Figures, and their source if there is one."""
    found, title = result.energy, "Energy"
    if found.source is None or found.joules is None:
        return (Group(title, (in_epochs(found), _metering(result))),)
    figures = (
        in_epochs(found),
        net(found),
        Fact("mean power", watts(found.mean_watts), is_estimate=is_estimate(found.source)),
        Fact("covered", f"{part_of_time(found.covered)} of {seconds(found.seconds)}"),
    )
    return Group(title, figures), Group("Where it comes from", (*_source(found, found.source), _metering(result)))


def in_epochs(found: Energy) -> Fact:
    """All that the meter counted."""
    if found.source is None or found.joules is None:
        return Fact("energy in epochs", UNAVAILABLE, found.unavailable or "the meter gave none", is_brief=True)
    return Fact(
        "energy in epochs, gross",
        joules(found.joules),
        partly(found.covered),
        is_estimate=is_estimate(found.source),
        is_brief=True,
    )


def net(found: Energy) -> Fact:
    """Without what the idle board would have taken."""
    name = "energy in epochs, net"
    if found.net_joules is None or found.idle_watts is None:
        return Fact(name, UNAVAILABLE, "what the idle board draws was not measured", is_brief=True)
    remarks = (f"without the {watts(found.idle_watts)} of the idle board", partly(found.covered))
    return Fact(
        name,
        joules(found.net_joules),
        ", ".join(filter(None, remarks)),
        is_estimate=is_estimate(found.source),
        is_brief=True,
    )


def meter(source: Source) -> Fact:
    """The meter, and whether it measures."""
    return Fact("meter", source.meter if source.meter == source.type else f"{source.meter} ({source.type})")


def scope(source: Source) -> Fact:
    """What of the board it counts."""
    return Fact("its scope", source.scope)


def is_estimate(source: Source | None) -> bool:
    """Whether joules from this source were calculated, and not measured."""
    return source is not None and source.type == ESTIMATE


def partly(covered: float) -> str:
    """Of which part of the run joules are, where that is too little to be taken for all of it; else nothing."""
    from tbft_runtime.reporting.caveats import COVERED

    return f"{part_of_time(covered, 0)} covered" if covered < COVERED else ""


def part_of_time(covered: float, digits: int = 1) -> str:
    """A part (0 to 1) as per cent, rounded so that it never reads as all, nor as nothing."""
    text, nothing, whole = (f"{part:.{digits}%}" for part in (covered, 0, 1))
    return "almost all" if text == whole and covered < 1 else "almost none" if text == nothing and covered else text


def _source(found: Energy, source: Source) -> tuple[Fact, ...]:
    uncertainty = "not stated" if source.uncertainty is None else f"±{source.uncertainty:.1%} of a reading"
    return (
        meter(source),
        scope(source),
        Fact("it leaves out", "; ".join(source.missing) or "nothing known"),
        Fact("its uncertainty", uncertainty),
        Fact("said by", "; ".join(source.basis) or DASH),
        Fact("samples", f"{found.samples:,} at {hertz(found.hertz)}", f"{found.failed:,} readings failed"),
        Fact(
            "with every other sample",
            f"joules change by {joules(found.sampling_joules)}",
            is_estimate=is_estimate(source),
        ),
    )


def _metering(result: TrainResult) -> Fact:
    cost = result.metering
    return Fact("metering took", f"{cost.share:.2%} of the time", f"{seconds(cost.cpu_seconds)} of a core")
