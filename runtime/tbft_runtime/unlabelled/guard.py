"""How far a run without labels may go: what blended statistics do to the answers says so, if anything does.

No rule of this kind is safe in general (Zhao et al., "On Pitfalls of Test-Time Adaptation", ICML 2023, arXiv
2306.03536): labelled images to check by are.
"""

from __future__ import annotations

from tbft_artifacts.preprocessing import Noun
from tbft_runtime.run.unlabelled_record import Decision, Sureness

# Answers of fewer classes than this part of all: diversity would drive apart what is of one class.
FEWEST = 0.75


def decide(share: float, answers: Sureness, classes: int, noun: Noun) -> tuple[Decision, str]:
    """What may be done, and why it is not more: of a network with `classes` classes, on images that are each a `noun`.

    `share` is which part of the statistics is its own where its answers are surest, and `answers` are those.
    """
    if share == 1:
        return "keep", (
            f"answers are surest with the statistics that the network came with: the {noun}s are like those of its "
            "training, or of few classes"
        )
    if answers.classes < FEWEST * classes:
        return "statistics", (
            f"answers are of about {answers.classes:.1f} of {classes} classes, and training without labels would drive "
            f"apart what is of one class; collect {noun}s of more classes"
        )
    return "train", ""
