"""What one run did, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.figures import DASH, estimated, partial, percent, significant, size
from tbft_edge.tables.exits import exit_saving, exit_shares
from tbft_edge.tables.selection import selection_table
from tbft_edge.tables.table import Table

if TYPE_CHECKING:
    from tbft_runtime.board.state import BoardSummary
    from tbft_runtime.boundary.activations import CacheResult
    from tbft_runtime.energy.result import Energy
    from tbft_runtime.reporting.report import Report
    from tbft_runtime.reporting.result import TrainResult
    from tbft_runtime.timing import Latency

UNAVAILABLE = "unavailable"
_WHERE = {"disk": "on the disk", "ram": "in memory"}


def run_summary(report: Report, name: str) -> list[Table]:
    """Accuracy before and after, what the device chose and where exits answer, and what the run called `name` took."""
    selection, calibration = report.result.selection, report.result.exits
    chosen = [] if selection is None else [selection_table(selection)]
    exits = [] if calibration is None else [exit_shares(calibration.early, "validation images")]
    return [_accuracy(report), *chosen, *exits, _run(report, name)]


def _accuracy(report: Report) -> Table:
    result = report.result
    trained = ", ".join(result.blocks) or "nothing (batch-norm statistics re-estimated)"
    rows = [
        ["validation accuracy", percent(result.accuracy_before), percent(result.accuracy_after)],
        ["validation loss", _loss(result.loss_before), _loss(result.loss_after)],
    ]
    return Table(f"{result.purpose}: trained {trained}", ["", "before", "after"], rows, numbers=True)


def _run(report: Report, name: str) -> Table:
    result = report.result
    rows = [
        ["model", f"{report.model}, {len(report.classes)} classes, {report.image_size} x {report.image_size} pixels"],
        ["began", f"{report.started_at} (by the board's clock)"],
        *_exits(result),
        ["best epoch", f"{result.best_epoch} of {result.epochs} (stopped: {result.stopped})"],
        [
            "images",
            f"{result.train_images} trained, {result.validation_images} validated, "
            f"{result.unlabelled_images} unlabelled, {len(result.skipped_images)} unreadable",
        ],
        ["time in epochs", significant(result.train_seconds, "s")],
        *([phase, _latency(latency)] for phase, latency in result.latency.items()),
        ["throughput", f"{significant(result.images_per_second)} images/s on {result.threads} threads"],
        ["computed with", _execution(result)],
        ["activation cache", _cache(result.cache)],
        ["peak memory", f"{size(result.peak_memory_bytes)} ({size(result.memory.total)} predicted)"],
        *_energy(result.energy),
        ["metering took", f"{result.metering.share:.2%} of the time"],
        *_board(result.board),
    ]
    return Table(name, ["", "value"], rows, numbers=False)


def _exits(result: TrainResult) -> list[list[str]]:
    calibration = result.exits
    if calibration is None:
        return []
    wanted = f"{percent(calibration.wanted)} wanted"
    reached = wanted if calibration.has_margin else f"{wanted}, reached without a standard error to spare"
    if not calibration.is_reached:
        reached = f"{wanted}, which no threshold reaches"
    return [["early answers", f"{exit_saving(calibration.early)} ({reached})"]]


def _energy(energy: Energy) -> list[list[str]]:
    source = energy.source
    if source is None or energy.joules is None:
        return [["energy", f"{UNAVAILABLE} ({energy.unavailable or 'the meter gave none'})"]]
    estimate = source.type == "estimate"
    return [
        ["energy, gross", partial(estimated(significant(energy.joules, "J"), estimate), energy.covered)],
        ["energy, net", partial(_net(energy, estimate), energy.covered)],
        ["meter", source.meter if source.meter == source.type else f"{source.meter} ({source.type})"],
        ["its scope", source.scope],
        ["it leaves out", "; ".join(source.missing) or "nothing known"],
        ["uncertainty", "not stated" if source.uncertainty is None else f"±{source.uncertainty:.1%} of a reading"],
        ["said by", "; ".join(source.basis) or DASH],
        ["samples", f"{energy.samples:,}, covering {energy.covered:.1%} of the time"],
    ]


def _net(energy: Energy, estimate: bool) -> str:
    if energy.net_joules is None or energy.idle_watts is None:
        return f"{UNAVAILABLE} (what the idle board draws was not measured)"
    net = estimated(significant(energy.net_joules, "J"), estimate)
    return f"{net}, without the {estimated(significant(energy.idle_watts, 'W'), estimate)} of the idle board"


def _execution(result: TrainResult) -> str:
    execution = result.execution
    parts = [f"{execution.gradient_form} gradients"]
    if result.divided and result.batch_norm != "batch":
        parts.append(f"{execution.micro_batch} images at once per thread")
    if execution.prefix_form is not None:
        parts.append(f"{execution.prefix_form} frozen part")
    return f"{', '.join(parts)} ({'as measured by tune' if result.tuned else 'default'})"


def _cache(cache: CacheResult) -> str:
    if cache.place is None:
        return f"off: {cache.reason}"
    return (
        f"{cache.cached_images:,} of {cache.images:,} images, {cache.format} {_WHERE[cache.place]}, {size(cache.bytes)}"
    )


def _board(board: BoardSummary) -> list[list[str]]:
    hottest = UNAVAILABLE if board.hottest_celsius is None else f"{board.hottest_celsius:.1f} °C at most"
    throttled = "unknown" if board.throttled is None else ", ".join(board.throttled) or "no"
    return [
        ["board", board.identity.model or UNAVAILABLE],
        ["temperature", hottest],
        ["clock", _clock(board)],
        ["throttled", throttled],
        ["other processes", UNAVAILABLE if board.other_load is None else f"{board.other_load:.2f} cores busy"],
    ]


def _clock(board: BoardSummary) -> str:
    if board.slowest_megahertz is None or board.fastest_megahertz is None:
        return UNAVAILABLE
    return f"{board.slowest_megahertz:,.0f} to {board.fastest_megahertz:,.0f} MHz"


def _latency(latency: Latency) -> str:
    if latency.count == 1:
        return f"{significant(latency.p50_ms, 'ms')} (1)"
    p50, p95, p99 = (significant(value, "ms") for value in (latency.p50_ms, latency.p95_ms, latency.p99_ms))
    warm_up = f" after {latency.warm_up} to warm up" if latency.warm_up else ""
    return f"p50 {p50}, p95 {p95}, p99 {p99} ({latency.count}{warm_up})"


def _loss(value: float | None) -> str:
    return DASH if value is None else f"{value:.4f}"
