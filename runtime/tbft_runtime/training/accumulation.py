"""The gradient of a batch, as the weighted sum of its parts' gradients."""

from __future__ import annotations

import numpy as np

from tbft_artifacts.manifest import CORRECT, LABELS, LOSS
from tbft_runtime.sessions import Graph, Tensors


class Accumulator:
    """Runs a gradient graph over a batch, at most `micro_batch` images at a time (None: all at once).

    The loss is a mean over images, so the gradient of a batch is the mean of its parts' gradients,
    weighted by their images: `g = sum over parts of (n_part / n) * g_part`. Results are written into
    the arrays `gradients`, by the names of the graph's outputs; `statistics` takes its batch statistics.
    """

    def __init__(
        self,
        graph: Graph,
        parameters: Tensors,
        gradients: dict[str, np.ndarray],
        statistics: dict[str, np.ndarray],
        micro_batch: int | None,
    ) -> None:
        self.gradients = gradients
        self.statistics = statistics
        self.micro_batch = micro_batch
        self._loss = np.zeros((), np.float32)
        self._correct = np.zeros((), np.int64)
        scalars: dict[str, np.ndarray] = {LOSS: self._loss, CORRECT: self._correct}
        self._first = graph.bind(parameters, {**scalars, **gradients, **statistics})
        self._parts: dict[str, np.ndarray] = {}
        self._later = None
        if micro_batch is not None:
            self._parts = {name: np.empty_like(array) for name, array in gradients.items()}
            self._later = graph.bind(parameters, {**scalars, **self._parts})

    def run(self, boundary: str, activations: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
        """Mean loss of the batch and how many answers were right; `boundary` names the input for `activations`."""
        images = len(labels)
        size = self.micro_batch or images
        self._first.run({boundary: activations[:size], LABELS: labels[:size]})
        if size >= images or self._later is None:
            return float(self._loss), int(self._correct)
        share = np.float32(size / images)
        for gradient in self.gradients.values():
            gradient *= share
        loss, correct = float(self._loss) * size, int(self._correct)
        for start in range(size, images, size):
            part = slice(start, start + size)
            self._later.run({boundary: activations[part], LABELS: labels[part]})
            count = len(labels[part])
            share = np.float32(count / images)
            for name, gradient in self.gradients.items():
                part_gradient = self._parts[name]
                part_gradient *= share
                gradient += part_gradient
            loss += float(self._loss) * count
            correct += int(self._correct)
        return loss / images, correct
