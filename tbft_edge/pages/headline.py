"""What comes first on the page of a run: what it was, and its main figures."""

from __future__ import annotations

from tbft_edge.facts.board import model
from tbft_edge.facts.costs import peak_memory, step, time_in_epochs
from tbft_edge.facts.energy import in_epochs, meter, net, scope
from tbft_edge.facts.fact import Fact
from tbft_edge.facts.results import changes, gained
from tbft_edge.facts.settings import began, epochs
from tbft_edge.facts.trained import heading
from tbft_edge.figures import DASH, UNAVAILABLE
from tbft_edge.pages.breaks import breakable
from tbft_edge.pages.document import Tile
from tbft_edge.pages.markup import Markup, element, join
from tbft_edge.pages.said import figure, said
from tbft_runtime.energy.result import Energy
from tbft_runtime.reporting.report import Report


def title(report: Report) -> str:
    """What was trained, and for what."""
    words = heading(report.result)
    return words[:1].upper() + words[1:]


def header(report: Report) -> Markup:
    """The title, and which board, model and time it was."""
    where = [part for part in (model(report.result.board.identity).figure, report.model, began(report).figure) if part]
    return element(
        "header",
        element("h1", breakable(title(report))),
        element("p", breakable(" · ".join(where)), class_="soft"),
        element("p", "The date is what the board's clock said; durations do not depend on it.", class_="note"),
    )


def headline(report: Report) -> list[Tile]:
    """Accuracy, time, energy and memory."""
    result = report.result
    return [
        _accuracy(report),
        _tile(time_in_epochs(result), epochs(result), step(result)),
        _energy(result.energy),
        _tile(peak_memory(result)),
    ]


def _accuracy(report: Report) -> Tile:
    change, _ = changes(report.result)
    return Tile(change.name, UNAVAILABLE if change.words == DASH else change.words, (gained(report),))


def _energy(found: Energy) -> Tile:
    if found.source is None or found.joules is None:
        return _tile(in_epochs(found))
    return _tile(in_epochs(found), net(found), meter(found.source), scope(found.source))


def _tile(main: Fact, *others: Fact) -> Tile:
    """The main figure, and what to know of it; others as notes."""
    notes = [join([fact.name, ": ", said(fact)]) for fact in others]
    return Tile(main.name, figure(main), (*filter(None, [main.remark]), *notes))
