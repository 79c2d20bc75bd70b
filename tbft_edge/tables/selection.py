"""Which channels of which layers a device chose, as a table and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.figures import percent, size
from tbft_edge.tables.table import Table

if TYPE_CHECKING:
    from tbft_artifacts.preprocessing import Noun
    from tbft_runtime.run.selection_record import LayerChoice, Selection

COLUMNS = ("layer", "channels", "score", "why")


def selection_table(selection: Selection, noun: Noun) -> Table:
    """A row per layer, the highest score first."""
    title = f"Channels chosen by {selection.samples} {noun}s: {spent(selection)}"
    return Table(title, COLUMNS, [_row(layer) for layer in selection.layers], numbers=False)


def spent(selection: Selection) -> str:
    """What the choice takes of its budgets."""
    return (
        f"{size(selection.update_bytes)} of {size(selection.update_budget)} for trained values, "
        f"{percent(selection.compute)} of full fine-tuning's backward pass, "
        f"{percent(selection.compute_budget)} allowed"
    )


def name(layer: LayerChoice) -> str:
    """The module whose weight it is."""
    return layer.weight.removesuffix(".weight")


def why(layer: LayerChoice) -> str:
    """Why it has as many channels as it has."""
    match layer.limit:
        case "update":
            return "all that the update budget left" if layer.channels else "no room in the update budget"
        case "compute":
            return "all that the compute budget left" if layer.channels else "no room in the compute budget"
        case "depth":
            return "the backward pass down to it exceeds the compute budget"
    if layer.informative == layer.size:
        return "every channel"
    return "every channel that this data would change" if layer.channels else "this data would change none of it"


def _row(layer: LayerChoice) -> list[str]:
    return [name(layer), f"{len(layer.channels)} of {layer.size}", f"{layer.score:.2e}", why(layer)]
