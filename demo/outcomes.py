"""What came out of the demo, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cases import Case
from rich import box
from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 120


@dataclass(frozen=True)
class Outcome:
    """What came out of one case; accuracies are fractions of `images` held-out images.

    `reasons` are the device's for the block, where it chose it itself.
    """

    case: Case
    blocks: tuple[str, ...]
    parameters: int
    images: int
    before: float
    after: float
    after_full: float
    reasons: tuple[str, ...]


def print_outcomes(outcomes: Sequence[Outcome]) -> None:
    """What each drift was, and what training was worth on images that it never saw."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("drift", "what happened", "block trained"):
        table.add_column(name)
    for name in ("parameters", "held-out images", "accuracy", "training everything"):
        table.add_column(name, justify="right")
    for outcome in outcomes:
        table.add_row(
            outcome.case.drift,
            outcome.case.happened,
            ", ".join(outcome.blocks),
            f"{outcome.parameters:,}",
            str(outcome.images),
            f"{outcome.before:.1%} → {outcome.after:.1%}",
            f"{outcome.after_full:.1%}",
        )
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print(table)
    for outcome in outcomes:
        if outcome.reasons:
            console.print(f"\nThe device was not told of the {outcome.case.drift} drift (train --drift auto). ", end="")
            console.print(f"It chose {', '.join(outcome.blocks)}: {'; '.join(outcome.reasons)}.")
