"""Are our defaults as accurate as the paper's protocol, and at what cost?"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from tbft_edge.figures import DASH, percent
from tbft_edge.reproduce.blocks import BLOCKS
from tbft_edge.reproduce.summary.costs import seconds
from tbft_edge.reproduce.summary.grid import DEFAULT, PYTORCH, Figures, Grid, Row, saving
from tbft_edge.reproduce.summary.names import BLOCK_NAMES, Exhibit, counted, number_table, points
from tbft_edge.reproduce.summary.pairs import Pair, error_words, pairs
from tbft_edge.reproduce.summary.verdict import ROUNDING, Verdict

COLUMN_CLAIM = "Our defaults are at least as accurate as the paper's protocol in every column that was run"
PAIR_CLAIM = "Our defaults are at least as accurate as the paper's protocol on every drift, block by block"
_NOT_RUN = ("No drift was run by the paper's protocol in PyTorch.",)
_SHORT = " ✗"


def column_verdict(grid: Grid) -> Verdict:
    """Column by column: each the mean of the drifts that have both."""
    lines, holds = [], []
    for size in grid.sizes:
        found = pairs(grid, PYTORCH, DEFAULT, size)
        for block in BLOCKS:
            column = [pair for pair in found if pair.block == block]
            if column:
                reference, ours = fmean(pair.reference for pair in column), fmean(pair.ours for pair in column)
                holds.append(ours - reference >= -ROUNDING)
                lines.append(
                    f"{size} %, {BLOCK_NAMES[block]}, {counted(len(column), 'drift')}: {percent(ours)}, "
                    f"the paper's protocol {percent(reference)}, {points(ours - reference)} points"
                    f"{'' if holds[-1] else ': falls short'}.{_saved_words(grid, column)}"
                )
    return Verdict(COLUMN_CLAIM, all(holds) if holds else None, tuple(lines) or _NOT_RUN)


def pair_verdict(grid: Grid) -> Verdict:
    """Every pair on its own, where chance weighs more."""
    found = [pair for size in grid.sizes for pair in pairs(grid, PYTORCH, DEFAULT, size)]
    if not found:
        return Verdict(PAIR_CLAIM, None, _NOT_RUN)
    short = [pair for pair in found if falls_short(pair)]
    lines = [f"{len(found) - len(short)} of {len(found)} pairs are at least as accurate."]
    if short:
        named = "; ".join(f"{pair.name}, {pair.size} %, {points(pair.difference)}" for pair in short)
        beyond = sum(-pair.difference > pair.standard_error for pair in short)
        lines.append(f"Short of it: {named}. By more than one standard error: {beyond}.")
    lines.append(error_words(found))
    exhibits = [_exhibit(grid, [pair for pair in found if pair.size == size], size) for size in grid.sizes]
    return Verdict(PAIR_CLAIM, not short, tuple(lines), tuple(each for each in exhibits if each.table.rows))


def falls_short(pair: Pair) -> bool:
    """Less accurate than the paper's protocol, by however little."""
    return pair.difference < -ROUNDING


def saved(grid: Grid, pair: Pair, baseline: Row) -> float | None:
    """The fraction of the seconds of `baseline`'s Full on the same drift that our defaults for the block save."""
    own: Figures = grid.figures(DEFAULT, pair.block, pair.size, seconds)
    full = grid.figures(baseline, "full", pair.size, seconds)
    repeats = saving(own, full).get(pair.case)
    return None if repeats is None else fmean(repeats.values())


def _saved_words(grid: Grid, column: Sequence[Pair]) -> str:
    known = [value for pair in column if (value := saved(grid, pair, PYTORCH)) is not None]
    return f" Time saved against PyTorch's Full: {percent(fmean(known))}." if known else ""


def _exhibit(grid: Grid, found: Sequence[Pair], size: int) -> Exhibit:
    columns = ["drift", "trained", "paper's", "ours", "points", "saved vs\nPyTorch\nFull", "saved vs\ndevice\nFull"]
    rows = [
        [
            pair.case,
            BLOCK_NAMES[pair.block],
            f"{100 * pair.reference:.1f}",
            f"{100 * pair.ours:.1f}",
            points(pair.difference) + (_SHORT if falls_short(pair) else ""),
            _part(saved(grid, pair, PYTORCH)),
            # Ours for everything is what it would be compared with.
            DASH if pair.block == "full" else _part(saved(grid, pair, DEFAULT)),
        ]
        for pair in found
    ]
    title = (
        f"PyTorch by the paper's protocol, and the device by our defaults, in per cent, {size} % of the images train"
    )
    note = "✗: less accurate than the paper's protocol. Saved: seconds of training, against Full on the same drift."
    return Exhibit(number_table(title, columns, rows), note)


def _part(fraction: float | None) -> str:
    return DASH if fraction is None else f"{100 * fraction:.1f}"
