"""A model in stages: an image goes on until an exit is sure enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.names import ACTIVATION, LOGITS
from tbft_artifacts.plan import Exit
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.exits.policy import confidence
from tbft_runtime.graphs.sessions import Graph
from tbft_runtime.logits import check_logits


@dataclass(frozen=True)
class Answers:
    """Logits (N, classes), and for each image the name of the exit that gave them, None where there is but one."""

    logits: np.ndarray
    exits: Sequence[str | None]


@dataclass(frozen=True)
class StagedModel:
    """A classifier with several exits, loaded stage by stage, and how to feed it."""

    stages: Sequence[Graph]
    exits: Sequence[Exit]
    threshold: float
    classes: Sequence[str]
    preprocessing: Preprocessing

    def answers(self, pixels: np.ndarray) -> Answers:
        """Of the first exit that is sure enough: (N, H, W, C) uint8 prepared pixels.

        Only the images that are still undecided go on, so that a stage runs for none where all have left.
        """
        logits = np.empty((len(pixels), len(self.classes)), np.float32)
        exits = [""] * len(pixels)
        undecided = np.arange(len(pixels))
        values = self.preprocessing.normalize(pixels)
        for number, stage in enumerate(self.stages):
            found = stage.run({stage.inputs[0]: values})
            logits[undecided] = found[LOGITS]
            for image in undecided:
                exits[image] = self.exits[number].name
            if number == len(self.stages) - 1:
                break
            # As in `leaving`: where logits are no numbers, no exit is sure.
            goes_on = ~(confidence(found[LOGITS]) >= self.threshold)
            if not goes_on.any():
                break
            undecided, values = undecided[goes_on], found[ACTIVATION][goes_on]
        return Answers(check_logits(logits), exits)

    def every_exit(self, pixels: np.ndarray) -> np.ndarray:
        """Logits (N, E, classes) of all exits: (N, H, W, C) uint8 prepared pixels."""
        logits = []
        values = self.preprocessing.normalize(pixels)
        for stage in self.stages:
            found = stage.run({stage.inputs[0]: values})
            logits.append(found[LOGITS])
            values = found.get(ACTIVATION, values)
        return np.stack(logits, axis=1)
