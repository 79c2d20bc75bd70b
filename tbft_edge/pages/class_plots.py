"""What was trained, and what became of each class: before and after, and what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence

from tbft_artifacts.input_shape import RGB
from tbft_edge.facts.results import no_labels
from tbft_edge.figures import DASH, count
from tbft_edge.pages.charts.dumbbells import Dumbbell, dumbbells, key
from tbft_edge.pages.charts.matrix import Matrix, matrix
from tbft_edge.pages.charts.network import network
from tbft_edge.pages.document import card, figure, missing, pair, plots, table
from tbft_edge.pages.markup import Markup, element, join
from tbft_runtime.reporting.report import Cell, Report

# More rows than these nobody reads; more confusions neither.
SHOWN, CONFUSIONS = 30, 10


def class_plots(report: Report) -> Markup:
    """The network beside what became of each class, and both matrices."""
    return join(
        [
            plots(_network(report), _per_class(report), _worst(report)),
            pair(
                _confusion(report, "after", report.confusion_after),
                _confusion(report, "before", report.confusion_before),
            ),
        ]
    )


def _network(report: Report) -> Markup:
    if not report.blocks:
        return missing("The network", "its blocks are not known")
    trained = [block for block in report.blocks if block.trained]
    part, whole = sum(block.parameters for block in trained), sum(block.parameters for block in report.blocks)
    share = f"{part:,} of {whole:,} parameters" + (f" ({part / whole:.1%})" if whole else "")
    note = f"{len(trained)} of {count(len(report.blocks), 'block')} trained: {share}."
    selection = report.result.selection
    if selection is not None:
        note = f"In {count(len(trained), 'block')} {selection.values:,} of {whole:,} parameters were trained."
    if not trained:
        note = f"No weight was trained: {whole:,} parameters stayed as they were."
    described = "; ".join(
        f"{b.name}: {b.parameters:,} parameters, {'trained' if b.trained else 'frozen'}" for b in report.blocks
    )
    # Where a report does not say so, what has one channel, or many, need not be a picture.
    is_image = report.noun == "image" and (report.input_kind is not None or report.shape.channels == RGB)
    before = f"image {report.shape.sides}" if is_image else report.shape.words
    behind = count(len(report.classes), "class")
    chart = network(f"Blocks from the input to the classes. {described}", report.blocks, before, behind)
    return figure("The network", note, chart)


def _per_class(report: Report) -> Markup:
    records = report.per_class
    rows = [Dumbbell(r.name, r.right_before / r.images, r.right_after / r.images) for r in records if r.images > 0]
    if not rows:
        return missing("Before → after per class", no_labels(report))
    shown = sorted(rows, key=lambda row: abs(row.after - row.before), reverse=True)[:SHOWN]
    shown.sort(key=lambda row: (row.after, row.after - row.before))
    better = sum(row.after > row.before for row in rows)
    worse = sum(row.after < row.before for row in rows)
    equal = len(rows) - better - worse
    said = (
        f"{report.noun.capitalize()}s that are right, worst class first: {better} better, {worse} worse, {equal} equal."
    )
    if len(rows) > len(shown):
        said += f" Of {len(rows)} classes the {len(shown)} that changed most."
    without = len(records) - len(rows)
    if without:
        said += (
            f" {count(without, 'class')} without a validation {report.noun}."
            if without > 1
            else f" 1 class has no validation {report.noun}."
        )
    described = "; ".join(f"{row.name} {row.before:.0%} before, {row.after:.0%} after" for row in shown)
    return figure("Before → after per class", said, key(), dumbbells(f"Accuracy per class: {described}", shown))


def _confusion(report: Report, when: str, cells: Sequence[Cell]) -> Markup:
    title = f"Confusion matrix {when}"
    images = _known(report, cells)
    if not images:
        return missing(title, no_labels(report))
    total = sum(images.values())
    right = sum(n for (true, predicted), n in images.items() if true == predicted)
    noun = report.noun
    note = f"Rows: what {noun}s show; columns: what they were called. {right:,} of {total:,} are on the diagonal."
    described = f"{title}: {right} of {total} {noun}s are right"
    return figure(title, note, matrix(described, Matrix(report.classes, images)))


def _known(report: Report, cells: Sequence[Cell]) -> dict[tuple[int, int], int]:
    """Cells that hold images, of classes that there are."""
    there = range(len(report.classes))
    return {
        (cell.true, cell.predicted): cell.images
        for cell in cells
        if cell.images > 0 and cell.true in there and cell.predicted in there
    }


def _worst(report: Report) -> Markup:
    title = "Worst confusions"
    before, after = _known(report, report.confusion_before), _known(report, report.confusion_after)
    if not after:
        return missing(title, no_labels(report))
    wrong = sorted((-images, pair) for pair, images in after.items() if pair[0] != pair[1])[:CONFUSIONS]
    if not wrong:
        return card(title, element("p", f"None: every validation {report.noun} is right.", class_="note"))
    rows = [
        [
            f"{report.classes[true]} called {report.classes[predicted]}",
            f"{-images:,}",
            f"{before.get((true, predicted), 0):,}" if before else DASH,
        ]
        for images, (true, predicted) in wrong
    ]
    said = f"{report.noun.capitalize()}s of one class called another, most after training first."
    note = element("p", said, class_="note")
    return card(title, note, table(["", "after", "before"], rows))
