"""A head that was learned in one pass, as tables: which could have been taken, and each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.learned import head
from tbft_edge.figures import DASH, percent, points
from tbft_edge.tables.table import Table

if TYPE_CHECKING:
    from tbft_artifacts.preprocessing import Noun
    from tbft_runtime.run.learned_record import Learned


def candidate_heads(learned: Learned, noun: Noun) -> Table:
    """A row for each kind of head; of classes alike, by images that it was made without."""
    rows = [
        [
            head(each.head),
            percent(each.accuracy),
            DASH if each.standard_error is None else points(100 * each.standard_error).lstrip("+"),
            "taken" if each.head == learned.head else "",
        ]
        for each in learned.candidates
    ]
    columns = ["head", f"right, {noun}s left out", "standard error", ""]
    return Table("Heads that could be made", columns, rows, numbers=True)


def class_recalls(learned: Learned, noun: Noun) -> Table:
    """A row for each class that was looked at, new ones first."""
    seen = [each for each in learned.recalls if each.images or each.name in learned.added]
    ordered = sorted(seen, key=lambda each: each.name not in learned.added)
    rows = [
        [f"{each.name}{' (new)' if each.name in learned.added else ''}", f"{each.images:,}", percent(each.recall)]
        for each in ordered
    ]
    return Table("Classes", ["class", f"{noun}s", "right"], rows, numbers=True)
