"""Where images leave a network with several exits."""

from __future__ import annotations

from tbft_artifacts.preprocessing import Noun
from tbft_edge.facts.exits import early_answers
from tbft_edge.pages.document import card, table, tables
from tbft_edge.pages.markup import Markup, element
from tbft_edge.pages.said import group
from tbft_edge.tables.exits import exit_shares
from tbft_runtime.exits.record import Calibration


def leaving(calibration: Calibration, noun: Noun) -> Markup:
    """Each exit's part of what was answered, how the threshold was chosen, and what to think of the figures."""
    shares = exit_shares(calibration.early, noun, "validation ")
    doubt = f"The same {noun}s chose the best epoch, so that others may be answered rightly a little less often."
    note = element("p", doubt, class_="note")
    seen = card(shares.title, table(shares.columns, shares.rows, stacking=True), note)
    return tables(group(early_answers(calibration, noun)), seen)
