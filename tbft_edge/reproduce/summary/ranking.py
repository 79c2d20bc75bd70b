"""Is the block that the paper trains the best one here, too?"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from tbft_edge.figures import percent
from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.paper import ACCURACY, MOTIVATION, Row
from tbft_edge.reproduce.summary.drifts import mean_of
from tbft_edge.reproduce.summary.grid import DEFAULT, SINGLE, Grid
from tbft_edge.reproduce.summary.names import BLOCK_NAMES, counted
from tbft_edge.reproduce.summary.verdict import ROUNDING, Verdict

CLAIM = "The block that the paper trains is the best single block under our defaults, too"


def ranking_verdict(suite: str, grid: Grid) -> Verdict:
    """Drifts for which the paper trains the same block count together, by their means; every size on its own."""
    lines, holds = [], []
    for size in grid.sizes:
        for target in dict.fromkeys(case.target for case in grid.cases):
            cases = {case.name: _blocks(grid, size, case.name) for case in grid.cases if case.target == target}
            known = [blocks for blocks in cases.values() if set(SINGLE) <= set(blocks)]
            if known:
                means = {block: fmean(blocks[block] for blocks in known) for block in SINGLE}
                holds.append(_is_best(target, means))
                lines.append(f"{size} %: {_words(suite, size, target, known, means)}")
    return Verdict(CLAIM, all(holds) if holds else None, tuple(lines))


def best_first(values: Mapping[PaperBlock, float]) -> list[PaperBlock]:
    """Single blocks by accuracy; equal ones stay in the order of the network."""
    return sorted(SINGLE, key=lambda block: -values[block])


def _blocks(grid: Grid, size: int, case: str) -> dict[PaperBlock, float]:
    return {block: mean for block in BLOCKS if (mean := mean_of(grid, DEFAULT, block, size, case)) is not None}


def _is_best(target: PaperBlock, values: Mapping[PaperBlock, float]) -> bool:
    return values[target] >= max(values[block] for block in SINGLE) - ROUNDING


def _words(
    suite: str, size: int, target: PaperBlock, known: list[dict[PaperBlock, float]], means: Mapping[PaperBlock, float]
) -> str:
    ours = best_first(means)
    order = ", ".join(f"{BLOCK_NAMES[block]} {percent(means[block])}" for block in ours)
    where = f"mean of {counted(len(known), 'drift')}" if len(known) > 1 else "one drift"
    words = f"the paper trains {BLOCK_NAMES[target]}; ours, best first ({where}): {order}."
    if len(known) > 1:
        words += f" Drift by drift it is best in {sum(_is_best(target, blocks) for blocks in known)} of {len(known)}."
    behind = means[ours[0]] - means[target]
    if behind > ROUNDING:
        words += f" {BLOCK_NAMES[target]} is {100 * behind:.1f} points behind."
    full = [blocks["full"] for blocks in known if "full" in blocks]
    if len(full) == len(known):
        words += f" Full: {percent(fmean(full))}."
    paper = _paper(suite, size, target)
    if paper is not None:
        theirs = best_first(paper)
        same = (
            "the same order"
            if theirs == ours
            else "another order behind it"
            if theirs[0] == ours[0]
            else "another order"
        )
        words += f" The paper: {', '.join(BLOCK_NAMES[block] for block in theirs)}: {same}."
    return words


def _paper(suite: str, size: int, target: PaperBlock) -> Row | None:
    return MOTIVATION.get(target) if suite == "motivation" else ACCURACY.get(suite, {}).get(size)
