"""Batch-norm statistics of the device's images, re-estimated before training: `batch_norm` "adapt"."""

from __future__ import annotations

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import STATISTICS
from tbft_runtime.data.dataset import TrainingData
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.memory import Room
from tbft_runtime.graphs.sessions import Tensors, load_graph
from tbft_runtime.progress import Progress
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import Arrays
from tbft_runtime.training.batch_norm import reestimate


def adapted_statistics(
    bundle: Bundle, settings: Settings, data: TrainingData, base: Tensors, progress: Progress
) -> Arrays:
    """Mean and variance of every batch norm over all training images, labelled or not, with the weights `base`.

    Raises TbftError for a model without batch norms.
    """
    norms = bundle.manifest.batch_norms
    if not norms:
        raise TbftError("the model has no batch norm to re-estimate", "train without `batch_norm` adapt")
    graph = load_graph(
        bundle_graph(bundle, STATISTICS),
        base,
        settings.threads,
        signature=roles.statistics(norms),
        room=Room(settings.batch_size, bundle.manifest.shape),
    )
    everything = data.everything
    progress.begin("re-estimating batch-norm statistics", len(everything))

    def read(indices: np.ndarray) -> np.ndarray:
        progress.advance(len(indices))
        return everything.images(indices)

    at_once = min(settings.batch_size, settings.execution.statistics_images or settings.batch_size)
    return reestimate(graph, norms, everything.shuffled(at_once, (settings.seed, 0)), read)
