"""The tables of the page of a run."""

from __future__ import annotations

from tbft_artifacts.preprocessing import Noun
from tbft_edge.facts.board import during_run, load, throttled
from tbft_edge.facts.costs import time_and_memory
from tbft_edge.facts.energy import energy_groups
from tbft_edge.facts.settings import how_trained, origin
from tbft_edge.facts.unlabelled import without_labels
from tbft_edge.figures import DASH, celsius, count, joules, megahertz, milliseconds, seconds, size
from tbft_edge.pages.document import card, details, table, tables
from tbft_edge.pages.markup import Markup, element, join
from tbft_edge.pages.said import energy_column, group
from tbft_edge.tables.latencies import latency_table
from tbft_runtime.board.state import BUSY_CORES, BoardState
from tbft_runtime.profiling.profile import GraphProfile, Profile, Slice
from tbft_runtime.reporting.report import Report
from tbft_runtime.reporting.result import TrainResult
from tbft_runtime.run.unlabelled_record import Unlabelled

# As many operators and layers of a graph are shown at once.
SLICES = 12


def latencies(report: Report) -> Markup:
    """How long everything took, percentiles by phase, and what was done before the first epoch."""
    spread = latency_table(report.result)
    shown: Markup = table(spread.columns, spread.rows, stacking=True)
    if not spread.rows:
        shown = element("p", "unavailable: no step was timed", class_="note")
    parts = [group(time_and_memory(report)), card(spread.title, shown)]
    if report.preparation:
        before = [[phase.phase, seconds(phase.seconds), joules(phase.joules)] for phase in report.preparation]
        columns = ["phase", "time", energy_column(report.preparation_source)]
        parts.append(card("Before the first epoch", table(columns, before)))
    return tables(*parts)


def energy(result: TrainResult) -> Markup:
    """Where the joules come from, and how far they can be trusted."""
    return tables(*map(group, energy_groups(result)))


def board(result: TrainResult) -> Markup:
    """The board, before and after."""
    found = result.board
    rows = [
        [name, before, after]
        for (name, before), (_, after) in zip(_state(found.before), _state(found.after), strict=True)
    ]
    return tables(group(during_run(found)), card("Before and after", table(["", "before", "after"], rows)))


def unlabelled(report: Report, told: Unlabelled) -> Markup:
    """What was done without labels, and by what answers."""
    return tables(group(without_labels(report, told)))


def settings(report: Report) -> Markup:
    """What determines the result, and the versions."""
    return tables(group(how_trained(report)), group(origin(report)))


def profile(found: Profile, noun: Noun) -> Markup:
    """Time by operator and layer of each graph."""
    steps, images = count(found.steps, "train step"), count(found.batch_size, noun)
    said = f"Mean of {steps} of {images} each, run after training; kernels are summed over threads."
    return join([element("p", said, class_="note"), tables(*(_graph(graph) for graph in found.graphs))])


def _graph(graph: GraphProfile) -> Markup:
    note = f"{milliseconds(graph.wall_ms)} per step on the clock, {milliseconds(graph.kernel_ms)} in kernels."
    return card(
        f"{graph.graph.capitalize()} graph",
        element("p", note, class_="note"),
        _slices("operator", graph, graph.operators),
        _slices("layer", graph, graph.layers),
    )


def _slices(kind: str, graph: GraphProfile, slices: tuple[Slice, ...]) -> Markup:
    if not slices:
        return element("p", f"No {kind} was seen.", class_="note")
    columns = [kind, "per step", "part", "calls"]
    rows = [
        [
            item.name,
            milliseconds(item.milliseconds),
            f"{item.milliseconds / graph.kernel_ms:.1%}" if graph.kernel_ms else DASH,
            f"{item.calls:g}",
        ]
        for item in slices
    ]
    shown = table(columns, rows[:SLICES])
    if len(rows) <= SLICES:
        return shown
    return join([shown, details(f"{len(rows) - SLICES} more", table(columns, rows[SLICES:]))])


def _state(state: BoardState) -> list[tuple[str, str]]:
    return [
        ("temperature", celsius(state.celsius)),
        ("clock", megahertz(state.megahertz)),
        ("governor", state.governor or DASH),
        ("throttled now", throttled(state.throttled)),
        ("throttled since it started", throttled(state.throttled_before)),
        ("other processes", _load(state.other_load)),
        ("memory available", DASH if state.available_bytes is None else size(state.available_bytes)),
    ]


def _load(cores: float | None) -> str:
    return load(cores) + (" ▲" if cores is not None and cores >= BUSY_CORES else "")
