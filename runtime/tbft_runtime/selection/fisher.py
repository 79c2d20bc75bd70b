"""Fisher information of channels, from one backward pass over a few of the device's own images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import LABELS
from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.data.dataset import Part
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.lanes import in_lanes
from tbft_runtime.graphs.memory import Room
from tbft_runtime.graphs.sessions import Tensors, load_graph
from tbft_runtime.run.settings import Settings


def fisher_information(
    bundle: Bundle,
    plan: Plan,
    settings: Settings,
    weights: Tensors,
    part: Part,
    indices: np.ndarray,
    on_images: Callable[[int], None],
) -> dict[str, np.ndarray]:
    """Fisher information (K,) float64 of each output channel of the layers of `plan`, by weight.

    Over the labelled images of `part` at store `indices` (n,), which go through the network in parts of the plan's
    micro-batch, one on each thread; `on_images` is told how many more are done. Δo = 1/(2N) Σn (Σhw a·g)² is a mean
    over images, so that of all is the mean of the parts', weighted by their images. `plan` is the one whose
    graph scores: the deepest. Raises TbftError where a value is no number.
    """
    prefix = load_prefix(bundle, plan, settings, weights)
    graph = load_graph(
        bundle_graph(bundle, plan.fisher),
        weights,
        1,
        signature=roles.fisher(plan),
        room=Room(settings.execution.micro_batch * settings.threads, bundle.manifest.shape, trains=True),
    )

    def scored(chunk: np.ndarray) -> dict[str, np.ndarray]:
        images = part.images(chunk)
        boundary = images if prefix is None else prefix.compute(images)[plan.boundary.name]
        return graph.run({plan.boundary.name: boundary, LABELS: part.labels(chunk)})

    totals = {layer.weight: np.zeros(layer.shape[0]) for layer in plan.sparse_layers}
    size, lanes = settings.execution.micro_batch, settings.threads
    chunks = [indices[start : start + size] for start in range(0, len(indices), size)]
    for start in range(0, len(chunks), lanes):
        group = chunks[start : start + lanes]
        for chunk, found in zip(group, in_lanes(lanes, scored, group), strict=True):
            for layer in plan.sparse_layers:
                totals[layer.weight] += len(chunk) / len(indices) * found[layer.fisher].astype(np.float64)
            on_images(len(chunk))
    for weight, total in totals.items():
        if not np.isfinite(total).all():
            raise TbftError(
                f"the Fisher information of '{weight}' is no number on this data",
                "check with 'tbft-edge eval' that the model knows such data",
            )
    return totals
