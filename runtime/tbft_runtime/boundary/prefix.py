"""The frozen part of a network in front of the trained one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.lanes import in_lanes
from tbft_runtime.graphs.memory import Room
from tbft_runtime.graphs.sessions import Graph, Tensors, load_graph
from tbft_runtime.run.execution import PREFIX_IMAGES
from tbft_runtime.run.settings import Settings


@dataclass(frozen=True)
class Prefix:
    """A loaded prefix.

    With fixed statistics a batch goes through it in parts of `part` images at most, on `lanes` threads.
    """

    graph: Graph
    lanes: int
    part: int | None

    @property
    def images_at_once(self) -> int:
        """How many images are under way at the same time, if a batch is divided."""
        return (self.part or 1) * self.lanes

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Boundary activations of images (N, C, H, W), and the statistics of the batch where those are used."""
        if self.part is None:
            return self.compute(images)
        size = min(self.part, -(-len(images) // self.lanes))
        parts = [images[start : start + size] for start in range(0, len(images), size)]
        if len(parts) == 1:
            return self.compute(images)
        results = in_lanes(self.lanes, self.compute, parts)
        return {name: np.concatenate([result[name] for result in results]) for name in self.graph.outputs}

    def compute(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """`run` without dividing, as far as there is room."""
        return self.graph.run({self.graph.inputs[0]: images}) if self.part is None else self.graph.in_parts(images)


def load_prefix(
    bundle: Bundle,
    plan: Plan,
    settings: Settings,
    weights: Tensors,
    *,
    images: int = 0,
    traces: Path | None = None,
) -> Prefix | None:
    """The prefix of a plan with `weights`, if it has one; it is traced into the folder `traces`.

    `images`: how many it gets at once, if more than a batch and what it divides that into.
    """
    execution = settings.execution
    if execution.prefix_form is None:
        return None
    divides = plan.prefix_is_fixed
    manifest = bundle.manifest
    threads = 1 if divides else settings.threads
    lanes = settings.threads if divides else 1
    part = execution.prefix_images if divides else None
    most = max(settings.batch_size, lanes * (part or 1), settings.threads * execution.micro_batch, PREFIX_IMAGES)
    return Prefix(
        graph=load_graph(
            bundle_graph(bundle, plan.prefix_in(execution.prefix_form)),
            weights,
            threads,
            signature=roles.prefix(plan, manifest.moving_norms(plan)),
            room=Room(max(images, most), manifest.shape),
            spinning=execution.spinning,
            trace=traces and traces / "prefix",
        ),
        lanes=lanes,
        part=part,
    )
