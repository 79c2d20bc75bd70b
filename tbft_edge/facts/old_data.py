"""What a run forgot of the source domain, and what lies between the base model and the trained one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.fact import Fact, Group
from tbft_edge.facts.results import Change
from tbft_edge.figures import count, percent

if TYPE_CHECKING:
    from tbft_artifacts.preprocessing import Noun
    from tbft_runtime.reporting.result import OldData, TrainResult
    from tbft_runtime.run.blends import Blend

# Of accuracy: less may be chance.
_POINTS = 0.05
BLEND_COLUMNS = ("share", "validation accuracy", "old-data accuracy", "mean")


def old_accuracy(old: OldData) -> Change:
    """The part of the kept images that is right."""
    return Change("old-data accuracy", percent(old.accuracy_before), percent(old.accuracy_after))


def forgotten(old: OldData, noun: Noun) -> Group:
    """Accuracy on what the network knew before, of how many images, and how much of it was trained on again."""
    of = f"of {count(old.images, f'kept source {noun}')}, none of them trained on"
    remembered = f"{percent(old.remember)} of each batch" if old.remember else "nothing"
    blends = [] if old.chosen is None else [Fact("best blend", _chosen(old.chosen), "by the mean of both accuracies")]
    return Group(
        "What was forgotten",
        (
            Fact(old_accuracy(old).name, old_accuracy(old).words, of, is_brief=True),
            Fact("remembered", remembered),
            *blends,
        ),
    )


def blend_rows(old: OldData) -> list[list[str]]:
    """A row for each model from the base one to the trained one."""
    return [
        [f"{blend.share:.1f}", *map(percent, (blend.accuracy, blend.old_accuracy, blend.mean))] for blend in old.blends
    ]


def warning(result: TrainResult) -> str | None:
    """What to say of a run that forgot much, where less was possible; None otherwise."""
    old = result.old
    if old is None or old.accuracy_after is None or old.accuracy_before - old.accuracy_after < _POINTS:
        return None
    words = f"old-data accuracy fell: {old_accuracy(old).words}"
    if old.chosen is not None and old.chosen.share < 1:
        return f"{words}; 'finalize' with --blend auto makes a model of {_chosen(old.chosen)}"
    return words if old.remember else f"{words}; --remember 0.3 trains on kept images, too"


def _chosen(blend: Blend) -> str:
    return f"{blend.share:.1f}: {percent(blend.accuracy)} new, {percent(blend.old_accuracy)} old"
