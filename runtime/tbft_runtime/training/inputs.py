"""What a train step begins with: boundary activations that are kept, or made of the images now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.activations import BoundaryActivations
from tbft_runtime.data.dataset import Part
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.kept.images import KeptImages
from tbft_runtime.kept.mixing import MixedBatch
from tbft_runtime.run.settings import Settings
from tbft_runtime.timing import Phase
from tbft_runtime.training.step import TrainStep


@dataclass(frozen=True)
class StepInputs:
    """Reads the inputs of the steps of one epoch.

    `boundary` is there where activations depend on the image alone; where images are changed, other ones in each
    epoch, they are not of use.
    """

    plan: Plan
    settings: Settings
    train: Part
    kept: KeptImages
    boundary: BoundaryActivations | None
    epoch: int

    def phase(self, step: TrainStep) -> Phase | None:
        """Whether the inputs of the epoch only have to be read; None if that depends on the batch."""
        if self.boundary is not None and not self.settings.augment:
            return "read" if self.boundary.holds(self.train, self.train.indices) else None
        return "read" if step.prefix is None else "prefix"

    def batch_phase(self, indices: np.ndarray) -> Phase:
        """Whether the inputs of a batch at store indices (n,) only have to be read."""
        return "read" if self.boundary is not None and self.boundary.holds(self.train, indices) else "prefix"

    def read(self, step: TrainStep, batch: MixedBatch) -> Tensors:
        """For training images and those that are remembered."""
        if self.boundary is not None and not self.settings.augment:
            own = self.boundary.read(self.train, batch.own)
            return {self.plan.boundary.name: batch.joined(own, self.kept.read)}
        changed = self.train.augmented(batch.own, self.settings.augment, (self.settings.seed, self.epoch))
        if self.boundary is None:
            return step.to_boundary(batch.joined(changed, self.kept.read))
        # What is kept lies behind the frozen part already.
        name = self.plan.boundary.name
        return {name: batch.joined(step.to_boundary(changed)[name], self.kept.read)}
