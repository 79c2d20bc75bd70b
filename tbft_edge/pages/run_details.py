"""The tables of the page of a run."""

from __future__ import annotations

from tbft_edge import figures as units
from tbft_edge.figures import DASH, percent, size
from tbft_edge.pages.document import card, details, facts, table, tables
from tbft_edge.pages.headline import energy_column, marked, marked_joules
from tbft_edge.pages.markup import Markup, element, join
from tbft_runtime.board.state import BUSY_CORES, BoardState
from tbft_runtime.profiling.profile import GraphProfile, Profile, Slice
from tbft_runtime.reporting.report import Report
from tbft_runtime.reporting.result import TrainResult
from tbft_runtime.timing import PHASES

# As many operators and layers of a graph are shown at once.
SLICES = 12


def latencies(report: Report) -> Markup:
    """Percentiles by phase, and what was done before the first epoch."""
    spread = report.result.latency
    order = ["step", *PHASES]
    rows = [
        [
            "whole step" if name == "step" else name,
            f"{found.count:,}",
            f"{found.warm_up:,}",
            units.milliseconds(found.p50_ms),
            units.milliseconds(found.p95_ms),
            units.milliseconds(found.p99_ms),
        ]
        for name, found in sorted(
            spread.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)
        )
    ]
    parts: list[Markup] = []
    if rows:
        columns = ["phase", "times", "warm-up left out", "p50", "p95", "p99"]
        parts.append(card("Latency by phase", table(columns, rows, stacking=True)))
    else:
        parts.append(card("Latency by phase", element("p", "unavailable: no step was timed", class_="note")))
    if report.preparation:
        before = [[p.phase, units.seconds(p.seconds), units.joules(p.joules)] for p in report.preparation]
        parts.append(
            card("Before the first epoch", table(["phase", "time", energy_column(report.preparation_source)], before))
        )
    return tables(*parts)


def energy(result: TrainResult) -> Markup:
    """Where the joules come from, and how far they can be trusted."""
    said, cost = result.energy, result.metering
    metering = ("metering's own cost", f"{units.seconds(cost.cpu_seconds)} of a core, {cost.share:.2%} of the time")
    if said.source is None or said.joules is None:
        reason = said.unavailable or "no meter"
        return tables(card("Energy", facts([("joules", f"unavailable: {reason}"), metering])))
    source = said.source
    uncertainty = "not stated" if source.uncertainty is None else f"±{source.uncertainty:.1%} of a reading"
    figures = [
        ("joules", marked_joules(said.joules, said)),
        ("idle board", "unavailable" if said.idle_watts is None else marked(units.watts(said.idle_watts), said)),
        ("joules above idle", marked_joules(said.net_joules, said)),
        ("mean power", marked(units.watts(said.mean_watts), said)),
        ("covered", f"{percent(said.covered)} of {units.seconds(said.seconds)}"),
    ]
    trust = [
        ("meter", f"{source.meter} ({source.type})"),
        ("covers", source.scope),
        ("leaves out", "; ".join(source.missing) or "nothing known"),
        ("sensor's uncertainty", uncertainty),
        ("said by", "; ".join(source.basis) or DASH),
        ("samples", f"{said.samples:,} at {units.hertz(said.hertz)}; {said.failed:,} readings failed"),
        ("with every other sample", marked(f"joules change by {units.joules(said.sampling_joules)}", said)),
        metering,
    ]
    return tables(card("Energy", facts(figures)), card("Where it comes from", facts(trust)))


def board(result: TrainResult) -> Markup:
    """The board, before and after."""
    found = result.board
    identity = found.identity
    rows = [
        [name, before, after]
        for (name, before), (_, after) in zip(_state(found.before), _state(found.after), strict=True)
    ]
    during = [
        ("board", identity.model or "unknown"),
        ("machine", f"{identity.machine or DASH}, {units.count(identity.cores, 'core')}"),
        ("memory", DASH if identity.memory_bytes is None else size(identity.memory_bytes)),
        ("hottest", units.celsius(found.hottest_celsius)),
        ("clock", f"{units.megahertz(found.slowest_megahertz)} to {units.megahertz(found.fastest_megahertz)}"),
        ("throttled", _names(found.throttled)),
        ("other processes", _load(found.other_load)),
    ]
    return tables(card("During the run", facts(during)), card("Before and after", table(["", "before", "after"], rows)))


def settings(report: Report) -> Markup:
    """What determines the result, and the versions."""
    result = report.result
    cache, execution = result.cache, result.execution
    kept = f"off: {cache.reason or DASH}"
    if cache.place is not None:
        kept = (
            f"{cache.cached_images:,} of {cache.images:,} images, {cache.format}, {size(cache.bytes)} on {cache.place}"
        )
    chosen = [
        ("plan", result.plan),
        ("batch norms", result.batch_norm),
        ("epochs", f"{result.epochs}, stopped: {result.stopped}"),
        (
            "images",
            f"{result.train_images:,} to train, {result.validation_images:,} to validate, "
            f"{result.unlabelled_images:,} unlabelled",
        ),
        ("image size", f"{report.image_size} × {report.image_size}"),
        ("batch size", str(result.batch_size)),
        ("learning rate", f"{result.lr:g}"),
        ("seed", str(result.seed)),
        ("threads", str(result.threads)),
        ("computed with", f"{execution.gradient_form} gradients, {execution.micro_batch} images at once per thread"),
        ("chosen", "as tune measured on this board" if result.tuned else "by default"),
        ("throughput", DASH if result.images_per_second is None else f"{result.images_per_second:,.0f} images/s"),
        ("kept activations", kept),
    ]
    origin = [
        *result.runtime.items(),
        ("bundle", result.bundle_id[:16]),
        ("data", report.data),
        ("run", result.run),
    ]
    return tables(card("Settings", facts(chosen)), card("Versions and origin", facts(origin)))


def profile(found: Profile) -> Markup:
    """Time by operator and layer of each graph."""
    steps, images = units.count(found.steps, "train step"), units.count(found.batch_size, "image")
    said = f"Mean of {steps} of {images} each, run after training; kernels are summed over threads."
    return join([element("p", said, class_="note"), tables(*(_graph(graph) for graph in found.graphs))])


def _graph(graph: GraphProfile) -> Markup:
    note = (
        f"{units.milliseconds(graph.wall_ms)} per step on the clock, {units.milliseconds(graph.kernel_ms)} in kernels."
    )
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
            units.milliseconds(item.milliseconds),
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
        ("temperature", units.celsius(state.celsius)),
        ("clock", units.megahertz(state.megahertz)),
        ("governor", state.governor or DASH),
        ("throttled now", _names(state.throttled)),
        ("throttled since it started", _names(state.throttled_before)),
        ("other processes", _load(state.other_load)),
        ("memory available", DASH if state.available_bytes is None else size(state.available_bytes)),
    ]


def _names(throttled: tuple[str, ...] | None) -> str:
    return "unavailable" if throttled is None else ", ".join(throttled) or "no"


def _load(cores: float | None) -> str:
    if cores is None:
        return DASH
    return f"{cores:.2f} cores busy{' ▲' if cores >= BUSY_CORES else ''}"
