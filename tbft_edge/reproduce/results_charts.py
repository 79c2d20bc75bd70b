"""Charts of a suite's results: what training a block gains under our defaults, and what it saves."""

from __future__ import annotations

from collections.abc import Mapping

from tbft_edge.figures import percent
from tbft_edge.pages.charts.bars import Bar, long_bars
from tbft_edge.pages.charts.dumbbells import Dumbbell, dumbbells, key
from tbft_edge.pages.document import figure
from tbft_edge.pages.markup import Markup
from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.results import Results
from tbft_edge.reproduce.summary.costs import savings, seconds
from tbft_edge.reproduce.summary.drifts import mean_of
from tbft_edge.reproduce.summary.grid import DEFAULT, NONE, SINGLE, Grid, accuracy, grid
from tbft_edge.reproduce.summary.names import BLOCK_NAMES
from tbft_edge.reproduce.summary.rows import ShownRow
from tbft_edge.reproduce.summary.system_cost import epoch_seconds, saved_of
from tbft_edge.reproduce.summary.whole import SYSTEM_COST


def charts(results: Results) -> list[Markup]:
    """Figures for each size of the training set; none where our defaults were not run."""
    found = grid(results)
    if results.suite == SYSTEM_COST:
        sizes = [(case.name, size) for case in found.cases for size in found.sizes]
        saved = [(case, saved_of(epoch_seconds(found, DEFAULT, case, size))) for case, size in sizes]
        return [_bars(f"Time saved, {case}", blocks) for case, blocks in saved if blocks]
    drawn: list[Markup | None] = []
    for size in found.sizes:
        drawn += [_by_block(found, size), _by_drift(found, size), _saved(found, size)]
    return [each for each in drawn if each is not None]


def _by_block(found: Grid, size: int) -> Markup | None:
    before = found.spread(found.figures(NONE, None, size, accuracy))
    means = {block: found.spread(found.figures(DEFAULT, block, size, accuracy)) for block in BLOCKS}
    rows = [Dumbbell(BLOCK_NAMES[block], before.mean, mean.mean) for block, mean in means.items() if before and mean]
    if not rows:
        return None
    note = "Without adaptation, and after training the block by our defaults: mean over drifts."
    return _dumbbells(f"Accuracy by block, {size} % of the images train", note, rows)


def _by_drift(found: Grid, size: int) -> Markup | None:
    if len(found.cases) < 2:
        return None
    rows = []
    for case in found.cases:
        before = mean_of(found, NONE, None, size, case.name)
        after = mean_of(found, DEFAULT, case.target, size, case.name)
        if before is not None and after is not None:
            rows.append(Dumbbell(case.name, before, after))
    note = "Without adaptation, and after training the block that the paper trains, by our defaults."
    return _dumbbells(f"Accuracy by drift, {size} % of the images train", note, rows) if rows else None


def _dumbbells(title: str, note: str, rows: list[Dumbbell]) -> Markup:
    said = "; ".join(f"{row.name}: {percent(row.before)} before, {percent(row.after)} after" for row in rows)
    return figure(title, note, key(), dumbbells(f"{title}. {said}", rows))


def _saved(found: Grid, size: int) -> Markup | None:
    every = ShownRow(DEFAULT, tuple(case.name for case in found.cases), "")
    means = {block: found.spread(figures) for block, figures in savings(found, every, size, seconds).items()}
    known = {block: mean.mean for block, mean in means.items() if mean is not None}
    return _bars(f"Time saved, {size} % of the images train", known) if known else None


def _bars(title: str, saved: Mapping[PaperBlock, float]) -> Markup:
    bars = [
        # A bar begins at zero; what costs more than Full has none, and its figure says so.
        Bar(BLOCK_NAMES[block], max(saved[block], 0.0), percent(saved[block]), series=0)
        for block in SINGLE
        if block in saved
    ]
    said = "; ".join(f"{bar.name}: {bar.figure}" for bar in bars)
    return figure(title, "Against Full, by our defaults: more is better.", long_bars(f"{title}. {said}", bars))
