"""The gradient of a batch, as the weighted sum of its parts' gradients."""

from __future__ import annotations

import numpy as np

from tbft_artifacts.names import CORRECT, LABELS, LOSS
from tbft_artifacts.plan import Plan
from tbft_runtime.graphs.lanes import in_lanes
from tbft_runtime.graphs.sessions import Graph, Tensors
from tbft_runtime.run.settings import Settings
from tbft_runtime.training.flat import FlatParameters
from tbft_runtime.training.sparse_rows import empty_gradients

# Waking a thread takes as long as so many floating-point operations; the step of a last layer has fewer.
FLOPS_PER_LANE = 10_000_000


def lanes_for(plan: Plan, settings: Settings) -> int:
    """How many threads take parts of a batch: as many as it is worth behind the boundary, one if it is not divided."""
    if not plan.divides:
        return 1
    flops = (plan.cost.forward_flops + plan.cost.backward_flops) * settings.batch_size
    return max(1, min(settings.threads, flops // FLOPS_PER_LANE))


def images_at_once(batch: int, micro_batch: int | None, lanes: int) -> int:
    """How many images of a `batch` one lane takes at once: its share, `micro_batch` at most."""
    return min(micro_batch or batch, -(-batch // lanes))


class _Lane:
    """What one thread needs: its sum of gradients, and the gradient of the part it is at."""

    def __init__(self, plan: Plan, graph: Graph, inputs: Tensors, total: FlatParameters, statistics: Tensors) -> None:
        part = FlatParameters(plan)
        self.total = total.vector
        self._part = part.vector
        self._loss = np.zeros((), np.float32)
        self._correct = np.zeros((), np.int64)
        others: dict[str, np.ndarray] = {
            LOSS: self._loss,
            CORRECT: self._correct,
            **statistics,
            **empty_gradients(plan),
        }
        self._first, self._later = (
            graph.bind(inputs, others | {parameter.gradient: flat.view(parameter) for parameter in plan.parameters})
            for flat in (total, part)
        )

    def run(self, feeds: list[dict[str, np.ndarray]], images: int) -> tuple[float, int]:
        """Add up the parts `feeds` of a batch of `images`; their share of its loss, and the right answers."""
        loss = 0.0
        correct = 0
        for index, part in enumerate(feeds):
            (self._later if index else self._first).run(part)
            share = len(part[LABELS]) / images
            if index:
                self._part *= np.float32(share)
                self.total += self._part
            elif share != 1:
                self.total *= np.float32(share)
            loss += float(self._loss) * share
            correct += int(self._correct)
        return loss, correct


class Accumulator:
    """Runs a gradient graph over a batch, at most `micro_batch` images at a time, on `lanes` threads.

    The loss is a mean over images, so the gradient of a batch is the mean of its parts' gradients,
    weighted by their images: `g = sum over parts of (n_part / n) * g_part`. Parts go through the graph
    at the same time, each on one core, which scales better than many cores on each small operator; a
    batch always falls into the same parts on the same lanes, so the sum is the same, too. It is written
    into `gradients`; `inputs` are the parameters, and whatever else no step replaces; `statistics` takes
    the batch statistics of a batch that is not divided (`micro_batch` None).
    """

    def __init__(
        self,
        plan: Plan,
        graph: Graph,
        inputs: Tensors,
        gradients: FlatParameters,
        statistics: Tensors,
        micro_batch: int | None,
        lanes: int,
    ) -> None:
        self.boundary = plan.boundary.name
        self.statistics = statistics
        self.micro_batch = micro_batch
        totals = [gradients, *(FlatParameters(plan) for _ in range(lanes - 1))]
        self._lanes = [_Lane(plan, graph, inputs, total, statistics) for total in totals]

    def run(self, activations: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
        """Mean loss of a batch and how many answers were right; `activations` are those at the boundary."""
        images = len(labels)
        size = images_at_once(images, self.micro_batch, len(self._lanes))
        parts = [
            {self.boundary: activations[start : start + size], LABELS: labels[start : start + size]}
            for start in range(0, images, size)
        ]
        if len(self._lanes) == 1:
            return self._lanes[0].run(parts, images)
        shares = [parts[index :: len(self._lanes)] for index in range(len(self._lanes))]
        busy = [(lane, share) for lane, share in zip(self._lanes, shares, strict=True) if share]
        results = in_lanes(len(self._lanes), lambda work: work[0].run(work[1], images), busy)
        for lane, _ in busy[1:]:
            self._lanes[0].total += lane.total
        return sum(loss for loss, _ in results), sum(correct for _, correct in results)
