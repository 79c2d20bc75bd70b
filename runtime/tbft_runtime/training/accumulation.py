"""The gradient of a batch, as the weighted sum of its parts' gradients."""

from __future__ import annotations

import numpy as np

from tbft_artifacts.manifest import CORRECT, LABELS, LOSS
from tbft_runtime.lanes import in_lanes
from tbft_runtime.sessions import Graph, Tensors

Arrays = dict[str, np.ndarray]


class _Lane:
    """What one thread needs: its sum of gradients, and the gradient of the part it is at."""

    def __init__(self, graph: Graph, parameters: Tensors, total: Arrays, statistics: Arrays) -> None:
        self.total = total
        self._part = {name: np.empty_like(array) for name, array in total.items()}
        self._loss = np.zeros((), np.float32)
        self._correct = np.zeros((), np.int64)
        scalars: Arrays = {LOSS: self._loss, CORRECT: self._correct}
        self._first = graph.bind(parameters, {**scalars, **total, **statistics})
        self._later = graph.bind(parameters, {**scalars, **self._part, **statistics})

    def run(self, feeds: list[Arrays], images: int) -> tuple[float, int]:
        """Add up the parts `feeds` of a batch of `images`; their share of its loss, and the right answers."""
        loss = 0.0
        correct = 0
        for index, part in enumerate(feeds):
            (self._later if index else self._first).run(part)
            share = np.float32(len(part[LABELS]) / images)
            for name, total in self.total.items():
                if index:
                    self._part[name] *= share
                    total += self._part[name]
                elif share != 1:
                    total *= share
            loss += float(self._loss) * float(share)
            correct += int(self._correct)
        return loss, correct


class Accumulator:
    """Runs a gradient graph over a batch, at most `micro_batch` images at a time, on `lanes` threads.

    The loss is a mean over images, so the gradient of a batch is the mean of its parts' gradients,
    weighted by their images: `g = sum over parts of (n_part / n) * g_part`. Parts go through the graph
    at the same time, each on one core, which scales better than many cores on each small operator; a
    batch always falls into the same parts on the same lanes, so the sum is the same, too. Results are
    written into the arrays `gradients`, by the names of the graph's outputs; `statistics` takes the
    batch statistics of a batch that is not divided (`micro_batch` None).
    """

    def __init__(
        self,
        graph: Graph,
        parameters: Tensors,
        gradients: Arrays,
        statistics: Arrays,
        micro_batch: int | None,
        lanes: int = 1,
    ) -> None:
        self.gradients = gradients
        self.statistics = statistics
        self.micro_batch = micro_batch
        others = [{name: np.empty_like(array) for name, array in gradients.items()} for _ in range(lanes - 1)]
        self._lanes = [_Lane(graph, parameters, total, statistics) for total in [gradients, *others]]

    def run(self, boundary: str, activations: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
        """Mean loss of the batch and how many answers were right; `boundary` names the input for `activations`."""
        images = len(labels)
        size = min(self.micro_batch or images, -(-images // len(self._lanes)))
        parts = [
            {boundary: activations[start : start + size], LABELS: labels[start : start + size]}
            for start in range(0, images, size)
        ]
        shares = [parts[index :: len(self._lanes)] for index in range(len(self._lanes))]
        busy = [(lane, share) for lane, share in zip(self._lanes, shares, strict=True) if share]
        results = in_lanes(len(self._lanes), lambda work: work[0].run(work[1], images), busy)
        for lane, _ in busy[1:]:
            for name, total in self.gradients.items():
                total += lane.total[name]
        return sum(loss for loss, _ in results), sum(correct for _, correct in results)
