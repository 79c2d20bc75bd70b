"""What the last layer reads of images, and the plan that trains it alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_artifacts.source import LinearHead
from tbft_runtime.boundary.prefix import Prefix, load_prefix
from tbft_runtime.data.dataset import Part
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.heads.stored import trains_only
from tbft_runtime.progress import Progress
from tbft_runtime.run.settings import Settings


def head_plan(bundle: Bundle) -> tuple[Plan, LinearHead]:
    """The plan that trains the last layer alone, and the layer. Raises TbftError for a bundle that has none."""
    shown = bundle.shown or bundle.folder
    head = bundle.manifest.head or None
    if head is None or head.bias is None:
        raise TbftError(
            f"bundle '{shown}' does not say that its last layer is a linear one with a bias",
            "export the network again, with torch.nn.Linear as its last layer",
        )
    for plan in bundle.manifest.plans:
        if trains_only(plan, head) and plan.prefix_is_fixed:
            return plan, head
    raise TbftError(
        f"bundle '{shown}' has no plan that trains the last layer alone, before which features are looked at",
        "export it with `drift` all, or `drift` output",
    )


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
