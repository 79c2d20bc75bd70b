"""Validate the weights of a run while it trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.lanes import in_lanes
from tbft_runtime.graphs.memory import Room
from tbft_runtime.graphs.sessions import Tensors, load_graph
from tbft_runtime.graphs.signature import Signature
from tbft_runtime.run.execution import EVALUATION_BATCH
from tbft_runtime.tally import Tally


class Labelled(Protocol):
    """Images with a label each, by index."""

    def in_order(self, batch_size: int) -> Iterator[np.ndarray]:
        """Batches of their indices."""

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """(n,) int64."""


@dataclass(frozen=True)
class Evaluator:
    """Loads forward graphs with the weights of the moment, so that they are folded and packed as deployed.

    `graphs` of the bundle, by name, run one behind the other. `read` gives what the first begins with for indices (n,)
    of `part`: images, or boundary activations, of which each thread takes those of `images` at once. The last one
    gives logits: (n, classes), or (n, exits, classes). In the loss an image counts as much as `weights` (classes,) say.
    """

    bundle: Bundle
    graphs: Mapping[str, Signature]
    threads: int
    part: Labelled
    read: Callable[[np.ndarray], np.ndarray]
    images: int = EVALUATION_BATCH
    weights: np.ndarray | None = None

    def evaluate(self, weights: Tensors, on_images: Callable[[int], None] = lambda _: None) -> Tally:
        """Loss and right answers over all images; `on_images` is told how many more are done.

        Raises TbftError for a graph that changed, or that gives anything else.
        """
        tally = Tally(weights=self.weights)
        for indices, logits in self.answers(weights, on_images):
            tally.add(logits, self.part.labels(indices))
        return tally

    def answers(
        self, weights: Tensors, on_images: Callable[[int], None] = lambda _: None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Store indices (n,) of all images, in order, and what is answered: logits (n, C), or (n, exits, C).

        `on_images` is told how many more are done. Raises TbftError for a graph that changed, or gives anything else.
        """
        room = Room(self.images * self.threads, self.bundle.manifest.shape)
        graphs = [
            load_graph(bundle_graph(self.bundle, name), weights, 1, signature=signature, room=room)
            for name, signature in self.graphs.items()
        ]

        def logits(values: np.ndarray) -> np.ndarray:
            for graph in graphs:
                values = graph.answer(values)
            return values

        batches = list(self.part.in_order(self.images))
        for start in range(0, len(batches), self.threads):
            group = batches[start : start + self.threads]
            results = in_lanes(self.threads, logits, [self.read(indices) for indices in group])
            for indices, result in zip(group, results, strict=True):
                yield indices, result
                on_images(len(indices))
