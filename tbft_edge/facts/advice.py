"""Which way of adapting is right for what drifted, and how many labels it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.fact import Fact
from tbft_edge.flags import with_flags

if TYPE_CHECKING:
    from tbft_runtime.run.diagnosis_record import Advice, Way

_WAYS: dict[Way, str] = {
    "nothing": "leave the model as it is",
    "unlabelled": "train --labels none",
    "learn": "learn",
    "train": "train",
}


def advised(advice: Advice) -> Fact:
    """The way, and its labels beside those that there are."""
    return Fact("advised", _WAYS[advice.way], _labels(advice))


def why(advice: Advice) -> list[str]:
    """A sentence each."""
    return [with_flags(reason) for reason in advice.reasons]


def _labels(advice: Advice) -> str:
    if not advice.labels:
        return "" if advice.way == "nothing" else "no label is needed"
    there = f"about {advice.at_hand:,} of each class" if advice.at_hand else "none"
    if advice.at_hand >= advice.labels:
        return f"{there} are labelled"
    return (
        f"{advice.labels:,} labels of each class are worth getting, {there} {'are' if advice.at_hand else 'is'} at hand"
    )
