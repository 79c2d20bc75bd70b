"""Which channels of which layers the device chose, and why."""

from __future__ import annotations

from tbft_artifacts.preprocessing import Noun
from tbft_edge import figures
from tbft_edge.pages.breaks import breakable
from tbft_edge.pages.charts.bars import Bar, long_bars
from tbft_edge.pages.document import card, figure, missing, plots, table
from tbft_edge.pages.markup import Markup, element, join
from tbft_edge.tables.selection import COLUMNS, name, selection_table, spent
from tbft_runtime.run.selection_record import Selection

_TITLE = "Trained channels of each layer"


def chosen_channels(selection: Selection, noun: Noun) -> Markup:
    """A bar for each layer that is trained, and every layer with its score."""
    seen = selection_table(selection, noun)
    cost = element(
        "p", breakable(f"Scored in {figures.seconds(selection.seconds)}. {spent(selection)}."), class_="note"
    )
    scores = card(f"What {selection.samples} labelled {noun}s show", table(COLUMNS, seen.rows, stacking=True), cost)
    return join([plots(_bars(selection)), scores])


def _bars(selection: Selection) -> Markup:
    bars = [
        Bar(name(layer), len(layer.channels) / layer.size, f"{len(layer.channels)} of {layer.size}")
        for layer in selection.layers
        if layer.channels
    ]
    if not bars:
        return missing(_TITLE, "no channel was chosen, and only what is always trained was trained")
    described = "; ".join(f"{bar.name}: {bar.figure} channels" for bar in bars)
    return figure(
        _TITLE, "The highest score first; a bar is the part of a layer's channels.", long_bars(described, bars)
    )
