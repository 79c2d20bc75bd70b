"""What a head that was learned in one pass is, and what became of the classes before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.fact import Fact, Group
from tbft_edge.facts.results import Change
from tbft_edge.figures import count, percent

if TYPE_CHECKING:
    from tbft_artifacts.preprocessing import Noun
    from tbft_runtime.run.learned_record import Learned

# Kinds of heads in words; what no version wrote yet stands for itself.
HEADS = {
    "old": "the head as it was",
    "renamed": "rows of the old head under other names",
    "lda": "discriminants from moments of the source",
    "class means": "class means",
    "ridge": "ridge regression",
}


def head(kind: str) -> str:
    """A kind of head in words."""
    return HEADS.get(kind, kind)


def learned_head(learned: Learned, noun: Noun) -> Group:
    """The head, and what it cost."""
    added = [Fact("new classes", ", ".join(learned.added), is_brief=True)] if learned.added else []
    change = before_and_after(learned, noun)
    kept = [] if change is None else [Fact(change.name, change.words, is_brief=True)]
    return Group(
        "Learned head",
        (
            Fact("head", head(learned.head), f"of {count(len(learned.candidates), 'kind')}", is_brief=True),
            *added,
            *kept,
            Fact("learned from", count(learned.images, noun), f"{learned.passes:g} forward passes for each"),
        ),
    )


def before_and_after(learned: Learned, noun: Noun) -> Change | None:
    """Mean recall of the bundle's own classes on source images whose features it keeps; None without any."""
    if not learned.kept_images:
        return None
    name = f"by the bundle's own labels, {count(learned.kept_images, f'source {noun}')}"
    return Change(name, percent(learned.kept_before), percent(learned.kept_after))
