"""Why the device chose the block that it trained."""

from __future__ import annotations

from tbft_edge.pages.breaks import breakable
from tbft_edge.pages.document import card, table
from tbft_edge.pages.markup import Markup, element, join
from tbft_edge.tables.diagnosis import decision, evidence, verdict
from tbft_runtime.run.diagnosis_record import Diagnosis


def why(diagnosis: Diagnosis) -> Markup:
    """The decision in words, and what was seen of each block."""
    seen = evidence(diagnosis)
    words = element("ul", *(element("li", breakable(reason)) for reason in diagnosis.reasons))
    *_, cost = verdict(diagnosis)
    decided = card(decision(diagnosis), words, element("p", cost, class_="note"))
    # A card as wide as the page: the table names blocks, plans and norms.
    return join([decided, card(seen.title, table(seen.columns, seen.rows, stacking=True))])
