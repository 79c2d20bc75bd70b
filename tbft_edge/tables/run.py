"""What is said of one run, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.learned import before_and_after
from tbft_edge.facts.old_data import BLEND_COLUMNS, blend_rows, old_accuracy
from tbft_edge.facts.results import changes
from tbft_edge.facts.run import brief, groups
from tbft_edge.facts.trained import heading
from tbft_edge.tables.exits import exit_shares
from tbft_edge.tables.latencies import latency_table
from tbft_edge.tables.learned import candidate_heads, class_recalls
from tbft_edge.tables.selection import selection_table
from tbft_edge.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tbft_edge.facts.fact import Fact
    from tbft_runtime.reporting.report import Report


def outcome(report: Report) -> Table:
    """What was trained, and accuracy before and after."""
    result = report.result
    learned = None if result.learned is None else before_and_after(result.learned, report.noun)
    said = [*changes(result), *([] if learned is None else [learned])]
    said += [] if result.old is None else [old_accuracy(result.old)]
    rows = [[change.name, change.before, change.after] for change in said]
    return Table(heading(result), ["", "before", "after"], rows, numbers=True)


def choices(report: Report) -> list[Table]:
    """What the device chose by its own images: channels, a head, and where exits answer."""
    selection, calibration, learned = report.result.selection, report.result.exits, report.result.learned
    chosen = [] if selection is None else [selection_table(selection, report.noun)]
    if learned is not None:
        chosen += [candidate_heads(learned, report.noun), class_recalls(learned, report.noun)]
    return chosen if calibration is None else [*chosen, exit_shares(calibration.early, report.noun, "validation ")]


def in_brief(report: Report, name: str) -> Table:
    """What most people want to know of the run called `name`."""
    return _facts(name, brief(report))


def in_full(report: Report) -> list[Table]:
    """Everything that a page says in words."""
    said = [_facts(group.title, group.facts) for group in groups(report)]
    return [*said, latency_table(report.result)] if report.result.latency else said


def between(report: Report) -> list[Table]:
    """What models between the base one and the trained one know, where that was measured."""
    old = report.result.old
    if old is None or not old.blends:
        return []
    return [Table("Between the base model (0) and the trained one (1)", BLEND_COLUMNS, blend_rows(old), numbers=True)]


def _facts(title: str, facts: Sequence[Fact]) -> Table:
    return Table(title, ["", "value"], [[fact.name, fact.words] for fact in facts], numbers=False)
