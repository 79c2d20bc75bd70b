"""Validate the weights of a run while it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tbft_runtime.evaluation import Tally
from tbft_runtime.lanes import in_lanes
from tbft_runtime.sessions import Tensors, load_graph
from tbft_runtime.training.dataset import Part

# Larger batches are hardly faster in a forward pass, and take more memory.
EVALUATION_BATCH = 32


@dataclass(frozen=True)
class Evaluator:
    """Loads a forward graph with the weights of the moment, so that they are folded and packed as deployed.

    `read` gives what the graph begins with for store indices (n,) of `part`: images, or boundary activations.
    """

    graph: Path
    threads: int
    part: Part
    read: Callable[[np.ndarray], np.ndarray]

    def evaluate(self, weights: Tensors, on_images: Callable[[int], None] = lambda _: None) -> Tally:
        """Loss and answers over all images; `on_images` is told how many more are done."""
        graph = load_graph(self.graph, weights, 1)
        tally = Tally()

        def logits(inputs: np.ndarray) -> np.ndarray:
            (result,) = graph.run({graph.inputs[0]: inputs}).values()
            return result

        batches = list(self.part.in_order(EVALUATION_BATCH))
        for start in range(0, len(batches), self.threads):
            group = batches[start : start + self.threads]
            results = in_lanes(self.threads, logits, [self.read(indices) for indices in group])
            for indices, result in zip(group, results, strict=True):
                tally.add(result, self.part.labels(indices))
                on_images(len(indices))
        return tally
