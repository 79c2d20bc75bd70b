"""What each epoch spent on which phase: joules, or seconds where there are no joules."""

from __future__ import annotations

from collections.abc import Sequence

from tbft_edge import figures
from tbft_edge.pages.charts.axis import grouped
from tbft_edge.pages.charts.bars import Stack, stacked_bars
from tbft_edge.pages.document import figure
from tbft_edge.pages.markup import Markup, join
from tbft_edge.pages.said import estimate_badge
from tbft_runtime.reporting.caveats import COVERED
from tbft_runtime.reporting.report import EpochRecord, Report
from tbft_runtime.timing import PHASES, Phase

# More bars than these are too narrow.
BARS = 40
# Each phase has the same colour and pattern on every page; neighbours in a bar differ clearly.
_SERIES: dict[Phase, int] = {
    "train": 0,
    "validation": 1,
    "prefix": 2,
    "read": 3,
    "evaluation": 4,
    "decode": 5,
    "statistics": 6,
    "saving": 7,
}


def phase_plot(report: Report) -> Markup:
    """Stacked bars, one per epoch, or per group of neighbours where there are many."""
    epochs = report.epochs
    present = {phase.phase for epoch in epochs for phase in epoch.phases}
    phases = [phase for phase in PHASES if phase in present]
    in_joules = any(_has_joules(epoch) for epoch in epochs)
    size = grouped(len(epochs), BARS)
    groups = [epochs[start : start + size] for start in range(0, len(epochs), size)]
    stacks = []
    for group in groups:
        parts = _means(group, phases, in_joules)
        stacks.append(Stack(str(group[0].number), parts, f"{_name(group)}: {_words(phases, parts, in_joules)}"))

    described = f"Mean of an epoch by phase: {_words(phases, _means(epochs, phases, in_joules), in_joules)}"
    series = [(_SERIES[phase], phase) for phase in phases]
    chart = stacked_bars(described, series, stacks, "epoch", "joules" if in_joules else "seconds")
    kept = f", of which every {report.epoch_stride}th was kept" if report.epoch_stride > 1 else ""
    grouping = f" Each bar is the mean of {size * report.epoch_stride} epochs{kept}." if size > 1 else ""
    if not in_joules:
        note = f"Joules by phase are unavailable; this is time instead.{grouping}"
        return figure("Time per epoch by phase", note, chart)
    note = "Decoding, reading, computing, validating and saving."
    if not all(_has_joules(epoch) for epoch in epochs):
        note = "A dash: not covered by the meter, or only a part of it."
    return figure(
        "Energy per epoch by phase", join([note, grouping, estimate_badge(report.result.energy.source)]), chart
    )


def _has_joules(epoch: EpochRecord) -> bool:
    """Whether the meter covered all phases of an epoch, nearly: the bar of a part of it would be too short."""
    complete = bool(epoch.phases) and epoch.covered >= COVERED
    return complete and all(phase.joules is not None for phase in epoch.phases)


def _means(epochs: Sequence[EpochRecord], phases: Sequence[Phase], in_joules: bool) -> tuple[float, ...] | None:
    """Joules or seconds of each phase, the mean over the epochs that have them; None where none has."""
    known = [epoch for epoch in epochs if _has_joules(epoch) or not in_joules]
    if not known:
        return None
    sums = dict.fromkeys(phases, 0.0)
    for epoch in known:
        for phase in epoch.phases:
            sums[phase.phase] += (phase.joules or 0.0) if in_joules else phase.seconds
    return tuple(total / len(known) for total in sums.values())


def _name(group: Sequence[EpochRecord]) -> str:
    first, last = group[0].number, group[-1].number
    return f"epoch {first}" if first == last else f"mean of epochs {first} to {last}"


def _words(phases: Sequence[Phase], parts: Sequence[float] | None, in_joules: bool) -> str:
    if parts is None:
        return "unavailable"
    amount = figures.joules if in_joules else figures.seconds
    return ", ".join(f"{phase} {amount(part)}" for phase, part in zip(phases, parts, strict=True))
