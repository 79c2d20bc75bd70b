"""The head that was learned in one pass, and what it did to each class."""

from __future__ import annotations

from tbft_artifacts.preprocessing import Noun
from tbft_edge.facts.learned import learned_head
from tbft_edge.pages.document import card, table, tables
from tbft_edge.pages.markup import Markup
from tbft_edge.pages.said import group
from tbft_edge.tables.learned import candidate_heads, class_recalls
from tbft_runtime.run.learned_record import Learned


def closed_form(learned: Learned, noun: Noun) -> Markup:
    """Which heads there could be, and how often each class is right."""
    shown = (candidate_heads(learned, noun), class_recalls(learned, noun))
    return tables(
        group(learned_head(learned, noun)),
        *(card(each.title, table(each.columns, each.rows, stacking=True)) for each in shown),
    )
