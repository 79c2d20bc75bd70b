"""The gradient of a batch, as the weighted sum of its parts' gradients."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Condition

import numpy as np

from tbft_artifacts.manifest import BatchNorm
from tbft_artifacts.names import BATCH_SUFFIX, CORRECT, LABELS, LOG_MARGINAL, LOGITS, LOSS
from tbft_artifacts.plan import Plan
from tbft_runtime.graphs.pooled import pooled
from tbft_runtime.graphs.sessions import BoundGraph, Graph, Tensors
from tbft_runtime.run.division import Division
from tbft_runtime.training.flat import FlatParameters
from tbft_runtime.training.sparse_rows import empty_gradients
from tbft_runtime.training.targets import Targets

_NO_RESULTS: Tensors = {}


@dataclass(frozen=True)
class BatchResult:
    """Mean loss of a batch, how many answers were right, and the batch statistics `<running statistic>.batch`.

    With targets there are `logits` (N, C), one row for each image, and nobody counts right answers.
    """

    loss: float
    correct: int
    statistics: Tensors
    logits: np.ndarray | None = None


class _Lane:
    """What one thread needs: the graph bound to the gradient of the part that it is at, and to its other results."""

    def __init__(self, plan: Plan, graph: Graph, inputs: Tensors, statistics: Tensors) -> None:
        self._plan = plan
        self._graph = graph
        self._inputs = inputs
        self._loss = np.zeros((), np.float32)
        self._correct = np.zeros((), np.int64)
        self._statistics = {name: np.empty_like(value) for name, value in statistics.items()}
        self.gradients = FlatParameters(plan)
        self._bound = self.bound(self.gradients)

    def bound(self, gradients: FlatParameters) -> BoundGraph:
        """The graph with its results here, and its gradients there."""
        others: dict[str, np.ndarray] = {LOSS: self._loss}
        if CORRECT in self._graph.outputs:
            others[CORRECT] = self._correct
        others |= self._statistics | empty_gradients(self._plan)
        views = {parameter.gradient: gradients.view(parameter) for parameter in self._plan.parameters}
        return self._graph.bind(self._inputs, others | views)

    def run(self, feeds: Tensors, logits: np.ndarray | None, bound: BoundGraph | None = None) -> BatchResult:
        """Compute a part, into this lane's gradients or into those of `bound`, and into `logits` those of a graph that
        takes targets.
        """
        (bound or self._bound).run(feeds, _NO_RESULTS if logits is None else {LOGITS: logits})
        statistics = {name: value.copy() for name, value in self._statistics.items()}
        return BatchResult(float(self._loss), int(self._correct), statistics, logits)


class _Turns:
    """Lets lanes add what they have in the order of the parts, whichever ends first."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._next = 0
        self._failed = False

    def wait(self, number: int) -> bool:
        """Whether all parts before that one were added, after waiting for it; not if one of them failed."""
        with self._changed:
            self._changed.wait_for(lambda: self._failed or self._next == number)
            return not self._failed

    def end(self, *, failed: bool = False) -> None:
        with self._changed:
            self._next += 1
            self._failed |= failed
            self._changed.notify_all()


class Accumulator:
    """Runs a gradient graph over a batch, in the parts and on the lanes of a `division`.

    The loss is a mean over images, so the gradient of a batch is the mean of its parts' gradients,
    weighted by their images: `g = sum over parts of (n_part / n) * g_part`. Parts go through the graph
    at the same time, each on one core, which scales better than many cores on each small operator. They
    are added in the order of the batch, so the same parts give the same bits on any number of lanes. The sum is
    written into `gradients`; `inputs` are the parameters, and whatever else no step replaces. Where `norms` use
    the statistics of a part (ghost batch norm: Hoffer, Hubara, Soudry, "Train longer, generalize better",
    NeurIPS 2017), those of the batch are pooled from them; `statistics` are arrays like those that the graph gives.
    """

    def __init__(
        self,
        plan: Plan,
        graph: Graph,
        inputs: Tensors,
        gradients: FlatParameters,
        norms: Sequence[BatchNorm],
        statistics: Tensors,
        division: Division,
    ) -> None:
        self.boundary = plan.boundary.name
        self._division = division
        self._norms = [norm for norm in norms if norm.mean + BATCH_SUFFIX in statistics]
        self._total = gradients.vector
        self._lanes = [_Lane(plan, graph, inputs, statistics) for _ in range(division.lanes)]
        # The first part needs no adding.
        self._first = self._lanes[0].bound(gradients)
        # Of its own: lanes wait for each other, and among the tasks of others one of them might never begin.
        self._pool = ThreadPoolExecutor(division.lanes, "lane")

    def run(self, activations: np.ndarray, wanted: np.ndarray | Targets) -> BatchResult:
        """The gradients of a batch, and the rest of its results; `activations` are those at the boundary.

        `wanted` are labels (N,) int64, or targets, as the graph takes them.
        """
        feeds, logits = {self.boundary: activations}, None
        if isinstance(wanted, Targets):
            feeds |= wanted.feeds
            logits = np.empty(wanted.targets.shape, np.float32)
        else:
            feeds[LABELS] = wanted
        total = len(wanted)
        parts = self._division.parts(total)
        if len(parts) == 1:
            return self._lanes[0].run(feeds, logits, self._first)
        feeds_of_parts = [
            {name: value if name == LOG_MARGINAL else value[part] for name, value in feeds.items()} for part in parts
        ]
        images = [len(activations[part]) for part in parts]
        # Each writes its rows where they belong.
        results = self._run_lanes(feeds_of_parts, [None if logits is None else logits[part] for part in parts], images)
        self._total *= np.float32(images[0] / total)
        loss = sum(result.loss * count for result, count in zip(results, images, strict=True)) / total
        statistics = pooled(self._norms, [result.statistics for result in results], images)
        return BatchResult(loss, sum(result.correct for result in results), statistics, logits)

    def _run_lanes(
        self, feeds: Sequence[Tensors], logits: Sequence[np.ndarray | None], images: Sequence[int]
    ) -> list[BatchResult]:
        """The result of each part; their gradients are added up as if all were as many images as the first."""
        lanes = min(len(self._lanes), len(feeds))
        results: dict[int, BatchResult] = {}
        turns = _Turns()

        def run_lane(index: int) -> None:
            lane = self._lanes[index]
            for number in range(index, len(feeds), lanes):
                try:
                    results[number] = lane.run(feeds[number], logits[number], None if number else self._first)
                    if not turns.wait(number):
                        return
                    if number:
                        self._add(lane.gradients.vector, images[number] / images[0])
                except BaseException:
                    turns.end(failed=True)
                    raise
                turns.end()

        if lanes == 1:
            run_lane(0)
        else:
            futures = [self._pool.submit(run_lane, index) for index in range(lanes)]
            # All of them, also where one fails: what they write into is that of the next batch.
            wait(futures)
            for future in futures:
                future.result()
        return [results[number] for number in range(len(feeds))]

    def _add(self, part: np.ndarray, weight: float) -> None:
        if weight != 1:
            part *= np.float32(weight)
        self._total += part
