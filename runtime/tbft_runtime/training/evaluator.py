"""Validate the weights of a run while it trains."""

from __future__ import annotations

from collections.abc import Callable

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.manifest import Plan
from tbft_runtime.evaluation import Tally
from tbft_runtime.sessions import Graph, Tensors, load_graph
from tbft_runtime.training.dataset import Part
from tbft_runtime.training.state import Evaluation

EVALUATION_BATCH = 64


class Evaluator:
    """Loads forward graphs with the weights of the moment, so that they are folded and packed as deployed.

    With a frozen prefix, only the suffix is loaded anew; `prefix` is shared with the train step. A
    prefix that uses batch statistics is of no use here, and the whole model is loaded.
    """

    def __init__(self, bundle: Bundle, plan: Plan, threads: int, prefix: Graph | None) -> None:
        self.bundle = bundle
        self.threads = threads
        self.prefix = prefix
        whole = plan.has_prefix and prefix is None
        self.graph = plan.predict if whole else plan.suffix

    def evaluate(
        self, weights: Tensors, part: Part, on_images: Callable[[int], None] = lambda _: None
    ) -> Evaluation | None:
        """Loss and accuracy on `part`; None if it is empty. `on_images` is told how many more are done."""
        if not len(part):
            return None
        suffix = load_graph(self.bundle.path(self.graph), weights, self.threads)
        tally = Tally()
        for indices in part.in_order(EVALUATION_BATCH):
            values = part.images(indices)
            if self.prefix is not None:
                (values,) = self.prefix.run({self.prefix.inputs[0]: values}).values()
            (logits,) = suffix.run({suffix.inputs[0]: values}).values()
            tally.add(logits, part.labels(indices))
            on_images(len(indices))
        return tally.evaluation()
