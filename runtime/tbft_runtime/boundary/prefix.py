"""The frozen part of a network in front of the trained one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.manifest import BatchNorm
from tbft_artifacts.names import BATCH_SUFFIX
from tbft_artifacts.plan import Plan
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.lanes import in_lanes
from tbft_runtime.graphs.memory import Room
from tbft_runtime.graphs.pooled import pooled
from tbft_runtime.graphs.sessions import Graph, Tensors, load_graph
from tbft_runtime.run.division import Division, prefix_division
from tbft_runtime.run.execution import PREFIX_IMAGES
from tbft_runtime.run.settings import Settings


@dataclass(frozen=True)
class Prefix:
    """A loaded prefix, through which a batch goes in the parts of a `division`.

    `norms` are those that use the statistics of a part; without any it is fixed: the same image always gives the same.
    """

    graph: Graph
    division: Division
    norms: tuple[BatchNorm, ...]

    @property
    def images_at_once(self) -> int:
        """How many images are under way at the same time, if it is fixed."""
        return (self.division.most or 1) * self.division.lanes

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Boundary activations of images (N, C, H, W), and the statistics of the batch where those are used."""
        parts = [images[part] for part in self.division.parts(len(images))]
        if len(parts) == 1:
            return self.compute(images)
        results = in_lanes(self.division.lanes, self.compute, parts)
        statistics = pooled(self.norms, results, [len(part) for part in parts])
        activations = {
            name: np.concatenate([result[name] for result in results])
            for name in self.graph.outputs
            if name not in statistics
        }
        return activations | statistics

    def compute(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """`run` without dividing, as far as there is room."""
        if self.division.most is None:
            return self.graph.run({self.graph.inputs[0]: images})
        return self.graph.in_parts(images)


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
    division = prefix_division(plan, settings)
    manifest = bundle.manifest
    most = max(
        settings.batch_size,
        division.lanes * (division.most or 1),
        settings.threads * execution.micro_batch,
        PREFIX_IMAGES,
    )
    graph = load_graph(
        bundle_graph(bundle, plan.prefix_in(execution.prefix_form)),
        weights,
        division.threads,
        signature=roles.prefix(plan, manifest.moving_norms(plan)),
        room=Room(max(images, most), manifest.shape),
        spinning=execution.spinning,
        trace=traces and traces / "prefix",
    )
    norms = tuple(norm for norm in manifest.moving_norms(plan) if norm.mean + BATCH_SUFFIX in graph.outputs)
    return Prefix(graph, division, norms)
