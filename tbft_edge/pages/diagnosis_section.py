"""Why the device chose the block that it trained, and which way would have been right."""

from __future__ import annotations

from collections.abc import Sequence

from tbft_edge.facts.advice import advised
from tbft_edge.facts.advice import why as reasons_of
from tbft_edge.pages.breaks import breakable
from tbft_edge.pages.document import card, table
from tbft_edge.pages.markup import Markup, element, join
from tbft_edge.tables.diagnosis import decision, evidence, verdict
from tbft_runtime.run.diagnosis_record import Diagnosis


def why(diagnosis: Diagnosis) -> Markup:
    """The decision in words, and what was seen of each block."""
    seen = evidence(diagnosis)
    *_, cost = verdict(diagnosis)
    decided = card(decision(diagnosis), _listed(diagnosis.reasons), element("p", cost, class_="note"))
    advice = diagnosis.advice
    cards = [] if advice is None else [card(f"Advised: {advised(advice).words}", _listed(reasons_of(advice)))]
    # A card as wide as the page: the table names blocks, plans and norms.
    return join([decided, *cards, card(seen.title, table(seen.columns, seen.rows, stacking=True))])


def _listed(reasons: Sequence[str]) -> Markup:
    return element("ul", *(element("li", breakable(reason)) for reason in reasons))
