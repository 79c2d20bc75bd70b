"""What comes first on the page of a run: what it was, its main figures, and warnings."""

from __future__ import annotations

from tbft_edge import figures
from tbft_edge.figures import percent, size
from tbft_edge.pages.document import Tile, badge
from tbft_edge.pages.markup import Markup, element, join
from tbft_runtime.board.state import BUSY_CORES
from tbft_runtime.energy.result import Energy
from tbft_runtime.meters.meter import Source
from tbft_runtime.reporting.report import Report
from tbft_runtime.reporting.result import TrainResult


def title(report: Report) -> str:
    """What was trained, and for what."""
    return f"{report.result.purpose.capitalize()}: {trained(report.result)}"


def trained(result: TrainResult) -> str:
    """The trained blocks, in words."""
    return f"{', '.join(result.blocks)} trained" if result.blocks else "only batch-norm statistics re-estimated"


def header(report: Report) -> Markup:
    """The title, and which board, model and time it was."""
    board = report.result.board.identity
    where = [part for part in (board.model or "unknown board", report.model, figures.moment(report.started_at)) if part]
    return element(
        "header",
        element("h1", title(report)),
        element("p", " · ".join(where), class_="soft"),
        element("p", "The date is what the board's clock said; durations do not depend on it.", class_="note"),
    )


def headline(report: Report) -> list[Tile]:
    """Accuracy, time, energy and memory."""
    result = report.result
    return [_accuracy(result), _time(result), _energy(result.energy), _memory(result)]


def cautions(report: Report) -> list[str]:
    """What to know before believing the figures."""
    result = report.result
    board, energy = result.board, result.energy
    texts = []
    if result.is_worse:
        texts.append("The best state is worse than the base model on the validation images.")
    if board.throttled:
        texts.append(
            f"The board was throttled ({', '.join(board.throttled)}): its times are not those of a cool board."
        )
    if energy.source is not None and energy.covered < 1:
        texts.append(
            f"The meter covered {_part(energy.covered)} of the time. Joules are those of that part; "
            "the rest is not made up."
        )
    if energy.net_joules is not None and energy.net_joules < 0:
        texts.append("The idle board drew more than the run did: something else ran when that was measured.")
    if board.other_load is not None and board.other_load >= BUSY_CORES:
        texts.append(f"Other processes kept {board.other_load:.1f} cores busy on average, and took time and energy.")
    if result.exits is not None and result.exits.is_doubtful:
        images = figures.count(result.exits.early.images, "validation image")
        texts.append(f"Only {images} said when exits are sure enough: others may be answered rightly less often.")
    if result.skipped_images:
        texts.append(f"{figures.count(len(result.skipped_images), 'image')} could not be read and did not take part.")
    return texts


def estimate_badge(energy: Energy) -> Markup:
    """The word `estimate`, where joules are one."""
    return join([" ", badge("estimate")]) if _is_estimate(energy.source) else Markup("")


def marked(figure: str, energy: Energy) -> Markup:
    """What was made from joules, marked where they are an estimate."""
    return join([figure, estimate_badge(energy)])


def marked_joules(value: float | None, energy: Energy) -> Markup:
    """Joules, marked where they are an estimate; `unavailable` where there are none."""
    return join(["unavailable"]) if value is None else marked(figures.joules(value), energy)


def energy_column(source: Source | None) -> str:
    """The name of a column of joules from this source."""
    return "energy (estimate)" if _is_estimate(source) else "energy"


def _is_estimate(source: Source | None) -> bool:
    return source is not None and source.type == "estimate"


def _accuracy(result: TrainResult) -> Tile:
    before, after = result.accuracy_before, result.accuracy_after
    if before is None or after is None:
        known = after if after is not None else before
        when = "after" if after is not None else "before"
        figure = "unavailable" if known is None else f"{percent(known)} {when}"
        return Tile("accuracy", figure, ("no validation image has a label",) if known is None else ())
    notes = [
        figures.points(100 * (after - before)),
        f"of {figures.count(result.validation_images, 'validation image')}",
    ]
    return Tile("accuracy before → after", f"{percent(before)} → {percent(after)}", (", ".join(notes),))


def _time(result: TrainResult) -> Tile:
    if not result.epochs:
        return Tile("time in epochs", "–", ("no epoch: no weight was trained",))
    best = f"the best is {result.best_epoch}" if result.best_epoch else "none better than the base model"
    notes = [f"{figures.count(result.epochs, 'epoch')}, {best}"]
    step = result.latency.get("step")
    if step is not None:
        notes.append(f"{figures.milliseconds(step.p50_ms)} per step (p50)")
    return Tile("time in epochs", figures.seconds(result.train_seconds), tuple(notes))


def _energy(energy: Energy) -> Tile:
    if energy.source is None or energy.joules is None:
        return Tile("energy in epochs", "unavailable", (energy.unavailable or "the meter gave no figure",))
    notes: list[str] = [f"{energy.source.meter}: {energy.source.scope}"]
    if energy.net_joules is not None and energy.idle_watts is not None:
        net = f"{figures.joules(energy.net_joules)} above the idle board's {figures.watts(energy.idle_watts)}"
        notes.append(marked(net, energy))
    return Tile("energy in epochs", marked_joules(energy.joules, energy), tuple(notes))


def _memory(result: TrainResult) -> Tile:
    return Tile("peak memory", size(result.peak_memory_bytes), (f"{size(result.memory.total)} predicted",))


def _part(covered: float) -> str:
    """Rounded so that a part never reads as all, nor as nothing."""
    text = f"{covered:.0%}"
    return "almost all" if text == "100%" else "less than 1%" if text == "0%" and covered else text
