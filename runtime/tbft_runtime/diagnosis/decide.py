"""The rule: from what was seen to a plan and the reasons for it."""

from __future__ import annotations

from collections.abc import Sequence

from tbft_artifacts.plan import Plan
from tbft_runtime.run.diagnosis_record import Candidate, LabelEvidence, NormShift

# A new head has to be better by so many standard errors before the labels are blamed: by chance it is that once in
# 160 times.
SURE = 2.5
# And it has to mend this part of the errors: where features are broken a new head is a little better, too.
MENDS = 1 / 3
# A fitted head that is better than class means by so many speaks against that, at the usual level.
DOUBT = 2.0
# A shift counts if it is so many times what sampling adds.
STANDS_OUT = 3.0
# The drift begins where the squared shift first reaches this part of the largest: at half maximum.
ONSET = 0.5

Decision = tuple[Plan, tuple[str, ...]]


def decide(
    plans: Sequence[Plan], norms: Sequence[NormShift], labels: LabelEvidence | None, raced: Sequence[Candidate] = ()
) -> Decision:
    """The plan of `plans` (at least one, from the input to the output) to train, and why, in sentences.

    Without batch norms that say where something moved, the race decides.
    """
    if labels is not None and labels.fresh:
        return _with_fresh_head(plans, norms, labels, raced)
    plan, reasons = _by_race(plans, raced) if raced else _by_rule(plans, norms, labels)
    if labels is not None and labels.is_as_sure_as_right:
        reasons += (
            f"the model is right on {labels.accuracy:.0%}, about as often as it is sure of itself "
            f"({labels.confidence:.0%}): perhaps nothing drifted",
        )
    return plan, reasons


def _by_rule(plans: Sequence[Plan], norms: Sequence[NormShift], labels: LabelEvidence | None) -> Decision:
    head = next((plan for plan in plans if plan.drift == "output"), None)
    renamed = labels is not None and labels.gain >= SURE and labels.mended >= MENDS
    if head is not None and labels is not None and renamed and labels.scatter < DOUBT:
        return head, (_said_of_labels(labels), "so features are as they were, and what moved is behind them")
    shifted = moved(norms)
    if shifted:
        return _by_onset(plans, shifted)
    quiet = "no batch norm sees anything that sampling does not explain"
    if head is not None and labels is not None and renamed:
        return head, (quiet, _said_of_labels(labels))
    rest = [plan for plan in plans if plan is not head] or list(plans)
    last_stage = next((plan for plan in reversed(rest) if plan.drift == "feature"), rest[-1])
    return last_stage, (quiet, "what is left, if anything drifted, are features that the last stage has to learn")


def _with_fresh_head(
    plans: Sequence[Plan], norms: Sequence[NormShift], labels: LabelEvidence, raced: Sequence[Candidate]
) -> Decision:
    """What a head that nobody trained answers is no drift; of images, statistics tell as far as features gain by them.

    Every plan trains such a head, too.
    """
    fresh = "the head is fresh: it was never trained, so that wrong answers are no drift"
    if raced:
        plan, reasons = _by_race(plans, raced)
        return plan, (fresh, *reasons)
    knows = f"class means of the last features are right on {labels.means_accuracy:.0%} of the samples"
    shifted = moved(norms)
    if shifted and labels.restored >= SURE:
        plan, reasons = _by_onset(plans, shifted)
        better = f"with re-estimated statistics on {labels.adapted_means_accuracy or 0.0:.0%}, so images drifted, too"
        return plan, (fresh, f"{knows}, {better}", *reasons)
    head = next(plan for plan in plans if plan.drift == "output")
    quiet = "" if labels.adapted_means_accuracy is None else ", and not more often with re-estimated statistics"
    return head, (fresh, f"{knows}{quiet}: the head is what has to be learned")


def moved(norms: Sequence[NormShift]) -> list[NormShift]:
    """Shifts that are more than what sampling adds, in blocks that a plan trains."""
    return [norm for norm in norms if norm.plan is not None and norm.shift >= STANDS_OUT * norm.noise]


def _by_onset(plans: Sequence[Plan], moved: Sequence[NormShift]) -> Decision:
    largest = max(moved, key=lambda norm: norm.shift)
    first = next(norm for norm in moved if norm.shift**2 >= ONSET * largest.shift**2)
    plan = next(plan for plan in plans if plan.id == first.plan)
    begins = f"activation statistics begin to shift at '{first.norm}' ({first.shift:.2f} standard deviations)"
    if first is largest:
        return plan, (begins, "no other shift is larger")
    return plan, (begins, f"the largest shift, {largest.shift:.2f} at '{largest.norm}', comes behind it")


def _by_race(plans: Sequence[Plan], raced: Sequence[Candidate]) -> Decision:
    """The most accurate; of equals the one nearest the output, which is the cheapest."""
    best = max(reversed(raced), key=lambda candidate: candidate.raced or 0.0)
    plan = next(plan for plan in plans if plan.id == best.plan)
    return plan, (
        "the model has no batch norms whose statistics could tell where the drift begins",
        f"trained for a moment on half of the samples, {', '.join(best.blocks)} was right most often on the others: "
        f"{best.raced or 0.0:.0%}",
    )


def _said_of_labels(labels: LabelEvidence) -> str:
    return (
        f"class means of the last features are right on {labels.means_accuracy:.0%} of the samples, the model on "
        f"{labels.model_accuracy:.0%} ({labels.gain:.1f} standard errors)"
    )
