"""What a run without labels did, as its state and its report keep it."""

from __future__ import annotations

from typing import Literal

import msgspec

from tbft_artifacts.structs import Count, Epochs, Large, Measured, Part

# How far a run goes: training, statistics alone, or the network stays as it came.
Decision = Literal["train", "statistics", "keep"]


class Sureness(msgspec.Struct, frozen=True, kw_only=True):
    """The answers of one network to images of a run."""

    entropy: Measured
    """Mean over the images, in nats: 0 is sure of every one."""
    classes: Measured
    """How many classes they are of: the exponential of the mean answer's entropy, from 1 to all."""


class Unlabelled(msgspec.Struct, frozen=True, kw_only=True):
    """How images taught a network by what it answers to them."""

    images: Count
    """How many there were to learn from, their labels, if any, unseen."""
    before: Sureness
    """Of the network as it came."""
    adapted: Sureness
    """With statistics as chosen; the same as before where there is nothing to re-estimate, or it does not help."""
    share: Part
    """Which part (0 to 1) of the statistics is the network's own: the one whose answers are surest."""
    decision: Decision
    """What was done. With labels to check by there always is training, and these decide what is kept of it."""
    why: str
    """Why there was no training, in words; empty if there was."""
    trained: Large = 0
    """Images that steps were made of, each in each epoch."""
    unsure: Large = 0
    """Images left out since the answer to them was unsure, each in each epoch."""
    last_unsure: Count = 0
    """How many of them in the last epoch."""
    kept: Epochs | None = None
    """The epoch whose state is kept, 0 being the statistics alone; None: the network as it came."""

    @property
    def saved(self) -> float:
        """Which part (0 to 1) of the backward passes was saved by leaving images out."""
        total = self.trained + self.unsure
        return self.unsure / total if total else 0.0
