"""Does the device's engine compute what PyTorch computes?"""

from __future__ import annotations

from collections.abc import Sequence

from tbft_edge.reproduce.results import Results
from tbft_edge.reproduce.summary.grid import DEVICE, PYTORCH, Grid
from tbft_edge.reproduce.summary.names import BLOCK_NAMES, Exhibit, number_table, points
from tbft_edge.reproduce.summary.pairs import Pair, error_words, pairs
from tbft_edge.reproduce.summary.verdict import ROUNDING, Verdict

CLAIM = "The device is within 1 point of PyTorch with the same batch norms, images and order of batches"
LIMIT = 0.01
_MISSED = " ✗"


def engines_verdict(results: Results, grid: Grid) -> Verdict:
    """By the paper's protocol; `±1.0` counts as within."""
    if results.suite == "motivation" and results.preset == "paper":
        return Verdict(
            CLAIM, None, ("PyTorch crops and flips these images, as the paper does, and the device does not.",)
        )
    found = [pair for size in grid.sizes for pair in pairs(grid, PYTORCH, DEVICE, size)]
    if not found:
        return Verdict(CLAIM, None, ("No drift was run by the paper's protocol in both engines.",))
    far = [pair for pair in found if is_far(pair)]
    largest = max(found, key=lambda pair: abs(pair.difference))
    lines = [
        f"{len(found) - len(far)} of {len(found)} pairs are within 1 point; the largest difference is "
        f"{points(largest.difference)} points ({_place(largest)}).",
        *(
            [f"Farther apart: {'; '.join(f'{_place(pair)}, {points(pair.difference)}' for pair in far)}."]
            if far
            else []
        ),
        error_words(found),
    ]
    exhibits = tuple(_exhibit([pair for pair in found if pair.size == size], size) for size in grid.sizes)
    return Verdict(CLAIM, not far, tuple(lines), tuple(exhibit for exhibit in exhibits if exhibit.table.rows))


def is_far(pair: Pair) -> bool:
    """More than a point apart."""
    return abs(pair.difference) > LIMIT + ROUNDING


def _place(pair: Pair) -> str:
    return f"{pair.name}, {pair.size} %"


def _exhibit(found: Sequence[Pair], size: int) -> Exhibit:
    columns = ["drift", "trained", "PyTorch", "device", "points"]
    rows = [
        [
            pair.case,
            BLOCK_NAMES[pair.block],
            f"{100 * pair.reference:.1f}",
            f"{100 * pair.ours:.1f}",
            points(pair.difference) + (_MISSED if is_far(pair) else ""),
        ]
        for pair in found
    ]
    title = f"Both engines by the paper's protocol, accuracy in per cent, {size} % of the images train"
    return Exhibit(number_table(title, columns, rows), "✗: more than 1 point apart.")
