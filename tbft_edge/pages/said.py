"""Facts on a page, estimates marked with a badge."""

from __future__ import annotations

from collections.abc import Sequence

from tbft_edge.facts.energy import ESTIMATE, is_estimate
from tbft_edge.facts.fact import Fact, Group
from tbft_edge.pages.breaks import breakable
from tbft_edge.pages.document import badge, card, facts
from tbft_edge.pages.markup import Markup, join
from tbft_runtime.meters.meter import Source


def group(found: Group) -> Markup:
    """A card of facts that belong together."""
    return card(found.title, listed(found.facts))


def listed(found: Sequence[Fact]) -> Markup:
    """Names, and what they are."""
    return facts([(fact.name, said(fact)) for fact in found])


def said(fact: Fact) -> Markup:
    """All of a fact but its name."""
    return join([figure(fact), breakable(fact.in_brackets)])


def figure(fact: Fact) -> Markup:
    """Without the remark."""
    return join([breakable(fact.figure), *([" ", badge(ESTIMATE)] if fact.is_marked else [])])


def estimate_badge(source: Source | None) -> Markup:
    """The word, where joules from this source are an estimate."""
    return join([" ", badge(ESTIMATE)]) if is_estimate(source) else Markup("")


def energy_column(source: Source | None) -> str:
    """The name of a column of joules from this source."""
    return f"energy ({ESTIMATE})" if is_estimate(source) else "energy"
