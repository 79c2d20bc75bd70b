"""Accuracy and loss over the epochs of a run, and its epochs as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tbft_edge import figures
from tbft_edge.facts.results import Change, changes
from tbft_edge.figures import percent
from tbft_edge.pages.charts.axis import Axis, grouped, magnitudes, nice_step
from tbft_edge.pages.charts.lines import Line, LineChart, line_chart
from tbft_edge.pages.charts.plot import Mark
from tbft_edge.pages.charts.svg import Picture
from tbft_edge.pages.document import details, figure, missing, plots, table
from tbft_edge.pages.markup import Markup, join
from tbft_edge.pages.phase_plot import phase_plot
from tbft_edge.pages.said import energy_column
from tbft_runtime.reporting.caveats import COVERED
from tbft_runtime.reporting.report import EpochRecord, Report

# More figures than these are too long to listen to.
DESCRIBED = 30
# More rows than these nobody reads; report.json has them all, or as many as it keeps.
ROWS = 200


def epoch_plots(report: Report) -> Markup:
    """All of them, and the figures behind them as a table."""
    if not report.epochs:
        reason = "no epoch was recorded" if report.result.epochs else "only batch-norm statistics were re-estimated"
        return plots(missing("Accuracy, loss and energy per epoch", reason))
    return join(
        [plots(_accuracy(report), _loss(report), phase_plot(report)), details(_table_title(report), _table(report))]
    )


def _accuracy(report: Report) -> Markup:
    result, epochs = report.result, report.epochs
    validation = [(0, result.accuracy_before), *((epoch.number, epoch.validation_accuracy) for epoch in epochs)]
    train = [(epoch.number, epoch.train_accuracy) for epoch in epochs]
    axis = Axis(0, 1, (0, 0.25, 0.5, 0.75, 1))
    last = percent(epochs[-1].train_accuracy)
    note = f"{_validation(changes(result)[0])} Training {report.noun}s in the last epoch: {last}."
    return figure(
        "Accuracy per epoch", note, _lines(report, "accuracy", axis, validation, train, percent, "{:.0%}".format)
    )


def _loss(report: Report) -> Markup:
    result, epochs = report.result, report.epochs
    validation = [(0, result.loss_before), *((epoch.number, epoch.validation_loss) for epoch in epochs)]
    train = [(epoch.number, epoch.train_loss) for epoch in epochs]
    axis = magnitudes([value for _, value in [*validation, *train] if value is not None])
    note = _validation(changes(result)[1])
    if axis.logarithmic:
        note += " The axis is logarithmic: each line is a multiple of the one below."
    return figure("Loss per epoch", note, _lines(report, "loss", axis, validation, train, figures.loss, figures.short))


def _validation(change: Change) -> str:
    return f"Validation: {change.before} before, {change.after} in the best state."


def _lines(
    report: Report,
    name: str,
    axis: Axis,
    validation: Sequence[tuple[int, float | None]],
    train: Sequence[tuple[int, float | None]],
    words: Callable[[float | None], str],
    y_text: Callable[[float], str],
) -> Picture:
    best = report.result.best_epoch
    said = validation[:: grouped(len(validation), DESCRIBED)]
    described = "; ".join(f"epoch {number}: {words(value)}" for number, value in said)
    return line_chart(
        LineChart(
            description=f"Validation {name} per epoch, 0 being before training. {described}",
            x=_whole(max(1, *(epoch.number for epoch in report.epochs))),
            y=axis,
            x_label="epoch (0: before)",
            y_label=name,
            lines=(Line("validation", tuple(validation)), Line("training", tuple(train))),
            marks=(Mark(best, f"best: epoch {best}"),) if best else (),
            y_text=y_text,
        )
    )


def _whole(last: int) -> Axis:
    """Epochs 0 to `last`, ticks at whole numbers."""
    step = max(1, round(nice_step(last)))
    return Axis(0, last, tuple(range(0, last + 1, step)))


def _joules(epoch: EpochRecord) -> str:
    """Joules, and of which part of the epoch, if not of nearly all."""
    if epoch.joules is None or epoch.covered >= COVERED:
        return figures.joules(epoch.joules)
    return f"{figures.joules(epoch.joules)} in {epoch.covered:.0%} of it"


def _shown(report: Report) -> list[EpochRecord]:
    """The epochs that have a row: all, or every so many, the best and the last one."""
    every = grouped(len(report.epochs), ROWS)
    best, last = report.result.best_epoch, report.epochs[-1].number
    return [epoch for index, epoch in enumerate(report.epochs) if index % every == 0 or epoch.number in (best, last)]


def _table_title(report: Report) -> str:
    every = report.epoch_stride * grouped(len(report.epochs), ROWS)
    return "Epochs as a table" + (f": every {every}th, the best and the last one" if every > 1 else "")


def _table(report: Report) -> Markup:
    columns = ["epoch", "training loss", "accuracy", "validation loss", "accuracy", "time"]
    columns.append(energy_column(report.result.energy.source))
    before = report.result
    rows = [["0 (before)", "–", "–", figures.loss(before.loss_before), percent(before.accuracy_before), "–", "–"]]
    rows += [
        [
            str(epoch.number),
            figures.loss(epoch.train_loss),
            percent(epoch.train_accuracy),
            figures.loss(epoch.validation_loss),
            percent(epoch.validation_accuracy),
            figures.seconds(epoch.seconds),
            _joules(epoch),
        ]
        for epoch in _shown(report)
    ]
    return table(columns, rows, stacking=True)
