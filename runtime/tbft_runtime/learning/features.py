"""What the last layer reads of images."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.prefix import Prefix, load_prefix
from tbft_runtime.data.dataset import Part
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.progress import Progress
from tbft_runtime.run.settings import Settings


@dataclass
class FeatureReader:
    """Runs the network up to its last layer, and counts how many images it was asked for."""

    plan: Plan
    prefix: Prefix
    progress: Progress
    images: int = field(default=0, init=False)

    @classmethod
    def load(
        cls, bundle: Bundle, plan: Plan, settings: Settings, weights: Tensors, progress: Progress
    ) -> FeatureReader:
        prefix = load_prefix(bundle, plan, settings, weights)
        assert prefix is not None, "before the last layer stands the network"
        return cls(plan, prefix, progress)

    def read(self, part: Part) -> np.ndarray:
        """Features (n, F) float32 of the images of `part`, in order."""
        found = [np.empty((0, *self.plan.boundary.shape), np.float32)]
        for indices in part.in_order(self.prefix.images_at_once):
            found.append(self.prefix.run(part.images(indices))[self.plan.boundary.name])
            self.images += len(indices)
            self.progress.advance(len(indices))
        return np.concatenate(found)
