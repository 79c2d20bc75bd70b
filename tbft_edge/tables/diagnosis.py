"""What a diagnosis saw, as a table and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.advice import advised, why
from tbft_edge.figures import DASH, percent
from tbft_edge.tables.table import Table

if TYPE_CHECKING:
    from tbft_runtime.run.diagnosis_record import Advice, Candidate, Diagnosis, LabelEvidence

COLUMNS = ("block", "plan", "largest shift", "by chance", "at norm")


def evidence(diagnosis: Diagnosis) -> Table:
    """A row per block that could be trained."""
    title = f"What {diagnosis.samples} {'labelled ' if diagnosis.labelled else ''}samples show"
    if any(candidate.raced is not None for candidate in diagnosis.candidates):
        raced = [
            [", ".join(candidate.blocks), candidate.plan, percent(candidate.raced)]
            for candidate in diagnosis.candidates
        ]
        return Table(title, ["block", "plan", "right after a short race"], raced, numbers=False)
    return Table(title, COLUMNS, [_row(candidate) for candidate in diagnosis.candidates], numbers=False)


def verdict(diagnosis: Diagnosis) -> list[str]:
    """What was seen of the labels, the decision, what is advised, a line for each reason, and what it cost."""
    cost = f"decided in {diagnosis.seconds:.1f} s"
    if diagnosis.share is not None:
        cost += f", {percent(diagnosis.share)} of the arithmetic that it saves in {diagnosis.epochs} epochs"
    seen = [] if diagnosis.labels is None else [_of_labels(diagnosis.labels)]
    decided = [decision(diagnosis), *(f"- {reason}" for reason in diagnosis.reasons)]
    return [*seen, *decided, *_of_advice(diagnosis.advice), cost]


def decision(diagnosis: Diagnosis) -> str:
    """What to train, if anything."""
    if diagnosis.advice is not None and diagnosis.advice.way == "nothing":
        blocks = ", ".join(diagnosis.blocks)
        return f"nothing seems to have drifted; if something did, {diagnosis.drift} drift: {blocks}"
    return f"{diagnosis.drift} drift: train {', '.join(diagnosis.blocks)}"


def _of_advice(advice: Advice | None) -> list[str]:
    if advice is None:
        return []
    fact = advised(advice)
    return [f"{fact.name}: {fact.words}", *(f"- {reason}" for reason in why(advice))]


def _row(candidate: Candidate) -> list[str]:
    return [
        ", ".join(candidate.blocks),
        candidate.plan,
        _sigmas(candidate.shift),
        _sigmas(candidate.noise),
        candidate.norm or DASH,
    ]


def _of_labels(labels: LabelEvidence) -> str:
    """How often the model is right, and how often heads that know these labels would be."""
    if labels.fresh:
        means = labels.adapted_means_accuracy
        both = "" if means is None else f" ({percent(means)} with re-estimated statistics)"
        return (
            f"right answers: class means of the last features {percent(labels.means_accuracy)}{both}, a head fitted to "
            f"them {percent(labels.fitted_accuracy)}; the model's own head was never trained"
        )
    adapted = labels.adapted_accuracy
    renewed = "" if adapted is None else f" ({percent(adapted)} with re-estimated statistics)"
    return (
        f"right answers: the model {percent(labels.accuracy)}{renewed}, class means of its last features "
        f"{percent(labels.means_accuracy)}, a head fitted to them {percent(labels.fitted_accuracy)}"
    )


def _sigmas(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f} σ"
