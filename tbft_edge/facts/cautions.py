"""What to know before believing the figures of a run, or using what it trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tbft_edge.facts.exits import missed
from tbft_edge.facts.old_data import warning
from tbft_edge.facts.settings import beginning
from tbft_edge.figures import count

if TYPE_CHECKING:
    from tbft_runtime.reporting.report import Report


def cautions(report: Report) -> list[str]:
    """A sentence each, the gravest first; none of a run like any other.

    What is known to weaken a figure, and no more: that one is missing, and why, stands in its place, and a run on a
    board that cannot tell whether it was throttled would have a caution for ever. Runs beside each other are told that
    as well (`tbft_runtime.reporting.caveats`). Every meter misses a moment of a run; only where that is much is it a
    caution, since how much it is always stands among the facts.
    """
    from tbft_runtime.reporting.caveats import doubts

    return [*_of_the_result(report), *doubts(report)]


def _of_the_result(report: Report) -> Iterator[str]:
    result = report.result
    if result.is_worse:
        yield (
            f"the best state is worse than the base model on the validation {report.noun}s; 'finalize' will refuse it "
            "without --allow-worse"
        )
    elif result.epochs and not result.best_epoch and result.unlabelled is None:
        yield (
            f"no epoch was better than the {beginning(result)}, which is what is kept: try a lower --lr than "
            f"{result.lr:g}"
        )
    if (forgot := warning(result)) is not None:
        yield forgot
    if result.unlabelled is not None and result.unlabelled.why:
        yield result.unlabelled.why
    if result.verified is False:
        yield (
            "not verified: no label decided what is kept, and no rule without labels is safe; label some "
            f"{report.noun}s, and train with --check-labels 50"
        )
    if result.skipped_images:
        yield f"{count(len(result.skipped_images), report.noun)} could not be read and did not take part"
    yield from _of_the_classes(report)
    if result.recomputed_flops is not None:
        yield (
            f"changed {report.noun}s are new in each epoch, which computed the frozen part of all again "
            f"({result.recomputed_flops / 1e6:,.1f} MFLOP): without --augment that is done once"
        )
    if result.exits is not None and (below := missed(result.exits, report.noun)) is not None:
        yield below


def _of_the_classes(report: Report) -> Iterator[str]:
    from tbft_runtime.data.balance import lacking, unequal

    counts = report.result.train_per_class
    if len(counts) != len(report.classes):
        return  # Of before this was told, or damaged.
    if (missing := lacking(counts, report.classes, report.noun)) is not None:
        yield missing
    if report.result.class_weights == "none" and (odd := unequal(counts, report.classes)) is not None:
        yield f"{odd}, unless --class-weights is balanced"
