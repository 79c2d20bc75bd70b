"""Runs beside each other as a table, for people and for spreadsheets."""

from __future__ import annotations

import csv
import io
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tbft_edge.console import percent
from tbft_edge.figures import DASH, estimated, partial, significant
from tbft_edge.tables import Table

if TYPE_CHECKING:
    from tbft_runtime.reporting.comparison import Comparison, Row

CAPTION = (
    "Cost of training. Energy is gross, all that the meter counted, and so are its saving and J/point; "
    "net is without what the idle board takes."
)
BASELINE = "baseline"
# Broken where that saves width.
_COLUMNS = (
    "run",
    "trained",
    "time",
    "step\np50",
    "energy",
    "net",
    "saved\ntime",
    "saved\nenergy",
    "accuracy",
    "points\ngained",
    "J/point",
)
# With one of these a cell is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cost_table(comparison: Comparison) -> Table:
    """A row per run. Where boards or data differ, a column says by letter which is which."""
    columns, cells = [*_COLUMNS], [_cells(row) for row in comparison.rows]
    for name, places in (
        ("data", [row.data for row in comparison.rows]),
        ("board", [row.board for row in comparison.rows]),
    ):
        if len(set(places)) > 1:
            columns.insert(1, name)
            cells = [[first, letter, *others] for (first, *others), letter in zip(cells, _letters(places), strict=True)]
    return Table(CAPTION, columns, cells, numbers=True)


def notes(comparison: Comparison) -> list[str]:
    """What holds for the whole table, then what holds for some of its runs, once each."""
    runs: dict[str, list[str]] = {}
    for row in comparison.rows:
        for note in row.notes:
            runs.setdefault(note, []).append(row.run)
    every = len(comparison.rows)
    named = [f"{'every run' if len(names) == every else ', '.join(names)}: {note}" for note, names in runs.items()]
    return [*comparison.notes, *named]


def cost_csv(comparison: Comparison) -> str:
    """All fields of the rows as RFC 4180 has it: plain numbers, nothing where there is none."""
    import msgspec

    from tbft_runtime.reporting.comparison import Row

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(Row.__struct_fields__)
    for row in comparison.rows:
        writer.writerow([_raw(value) for value in msgspec.structs.astuple(row)])
    return text.getvalue()


def _cells(row: Row) -> list[str]:
    before, after = percent(row.accuracy_before), percent(row.accuracy_after)
    return [
        row.run,
        _trained(row),
        significant(row.seconds, "s"),
        significant(row.step_ms, "ms"),
        partial(estimated(significant(row.joules, "J"), row.estimate), row.covered),
        partial(estimated(significant(row.net_joules, "J"), row.estimate), row.covered),
        BASELINE if row.baseline else percent(row.saved_seconds),
        BASELINE if row.baseline and row.joules is not None else estimated(percent(row.saved_joules), row.estimate),
        DASH if before == after == DASH else f"{before} → {after}",
        DASH if row.gained_points is None else f"{row.gained_points:+.1f}",
        estimated(significant(row.joules_per_point), row.estimate),
    ]


def _trained(row: Row) -> str:
    if not row.blocks:
        return "nothing"
    return "everything" if row.drift == "full" else ", ".join(row.blocks)


def _letters(places: Sequence[str]) -> list[str]:
    """A letter for each place, A for the first; numbers behind Z."""
    order = list(dict.fromkeys(places))
    names = [*string.ascii_uppercase, *map(str, range(len(string.ascii_uppercase) + 1, len(order) + 1))]
    return [names[order.index(place)] for place in places]


def _raw(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        value = "; ".join(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
