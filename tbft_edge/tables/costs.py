"""Runs beside each other as a table, for people and for spreadsheets."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tbft_edge.facts import compared
from tbft_edge.tables.table import Table, csv_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tbft_edge.facts.fact import Fact
    from tbft_runtime.reporting.comparison import Comparison, Row

    Column = Callable[[Row], Fact]

CAPTION = (
    "Cost of training. Energy is gross, all that the meter counted, and so are its saving and J/point; "
    "net is without what the idle board takes."
)
_COLUMNS = (
    compared.blocks,
    compared.time,
    compared.step,
    compared.energy,
    compared.net,
    compared.saved_time,
    compared.saved_energy,
    compared.before_and_after,
    compared.gained,
    compared.joules_per_point,
)


def columns_with_old_data(columns: Sequence[Column], rows: Sequence[Row]) -> list[Column]:
    """`columns`, and where a run knows what it forgot, that behind its accuracy."""
    knows = any(row.old_accuracy_before is not None for row in rows)
    shown: list[Column] = []
    for column in columns:
        shown += [column, compared.old_before_and_after] if knows and column is compared.before_and_after else [column]
    return shown


def cost_table(comparison: Comparison) -> Table:
    """A row per run. Where boards or data differ, a column says by letter which is which."""
    shown = columns_with_old_data(_COLUMNS, comparison.rows)
    facts = [[column(row) for column in shown] for row in comparison.rows]
    # Broken where that saves width.
    columns = ["run", *(fact.name.replace(" ", "\n") for fact in facts[0])]
    cells = [[row.run, *(fact.words for fact in said)] for row, said in zip(comparison.rows, facts, strict=True)]
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
    return [*comparison.notes, *grouped_notes([(row.run, row.notes) for row in comparison.rows], "every run")]


def grouped_notes(noted: Sequence[tuple[str, Sequence[str]]], every: str) -> list[str]:
    """Notes of (name, notes), once each behind the names that have it, or behind `every` where all do."""
    places: dict[str, list[str]] = {}
    for name, notes_of_it in noted:
        for note in notes_of_it:
            places.setdefault(note, []).append(name)
    return [f"{every if len(names) == len(noted) else ', '.join(names)}: {note}" for note, names in places.items()]


def cost_csv(comparison: Comparison) -> str:
    """All fields of the rows as RFC 4180 has it: plain numbers, nothing where there is none."""
    import msgspec

    from tbft_runtime.reporting.comparison import Row

    return csv_text(Row.__struct_fields__, map(msgspec.structs.astuple, comparison.rows))


def _letters(places: Sequence[str]) -> list[str]:
    """A letter for each place, A for the first; numbers behind Z."""
    order = list(dict.fromkeys(places))
    names = [*string.ascii_uppercase, *map(str, range(len(string.ascii_uppercase) + 1, len(order) + 1))]
    return [names[order.index(place)] for place in places]
