"""One train step: prefix, gradient, update."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.manifest import CORRECT, LABELS, LOSS, Plan
from tbft_runtime.sessions import Graph, Tensors, load_graph
from tbft_runtime.training.batch_norm import average_into, check_batch
from tbft_runtime.training.options import Settings
from tbft_runtime.training.state import TrainingState


@dataclass(frozen=True)
class StepResult:
    """Mean loss of the batch, and how many answers were right before the update."""

    loss: float
    correct: int


def initial_state(bundle: Bundle, plan: Plan, settings: Settings, base: Tensors) -> TrainingState:
    """The base model's trained parameters, the running statistics that may move, and empty optimizer state."""
    current = {parameter.name: base[parameter.name] for parameter in plan.parameters} if settings.epochs else {}
    for norm in bundle.manifest.batch_norms if settings.batch_norm != "frozen" else ():
        current |= {norm.mean: base[norm.mean], norm.variance: base[norm.variance]}
    slots = {
        parameter.state(slot): np.zeros(parameter.shape, np.float32)
        for parameter in plan.parameters
        for slot in plan.optimizer.slots
    }
    return TrainingState(current=current, slots=slots, best={})


class TrainStep:
    """The graphs of a plan, loaded; `weights` are those that stay fixed."""

    def __init__(self, bundle: Bundle, plan: Plan, settings: Settings, weights: Tensors, prefix: Graph | None) -> None:
        self.plan = plan
        self.settings = settings
        self.norms = bundle.manifest.batch_norms if plan.batch_norm == "batch" else ()
        self.prefix = prefix
        self.gradient = load_graph(bundle.path(plan.gradient), weights, settings.threads)
        self.update = load_graph(bundle.path(plan.update), weights, settings.threads)

    def run(self, state: TrainingState, images: np.ndarray, labels: np.ndarray) -> StepResult:
        """Train on a batch: images (N, 3, S, S) float32, labels (N,) int64. Changes `state` in place.

        If the loss is not finite, nothing is changed. Raises TbftError for a batch that gives a batch
        norm with batch statistics one value per channel.
        """
        return self.run_from_boundary(state, self.to_boundary(images), labels)

    def to_boundary(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """What the frozen prefix makes of images: the boundary activation, and its batch statistics if any.

        Without a prefix that is the images themselves.
        """
        if self.prefix is None:
            return {self.plan.boundary.name: images}
        return self.prefix.run({self.prefix.inputs[0]: images})

    def run_from_boundary(self, state: TrainingState, prefix: Tensors, labels: np.ndarray) -> StepResult:
        """The rest of `run`, given the result of `to_boundary`, which with fixed statistics never changes."""
        check_batch(self.norms, len(labels))
        feeds = {parameter.name: state.current[parameter.name] for parameter in self.plan.parameters}
        feeds |= {self.plan.boundary.name: prefix[self.plan.boundary.name], LABELS: labels}
        outputs = {**prefix, **self.gradient.run(feeds)}
        result = StepResult(float(outputs[LOSS]), int(outputs[CORRECT]))
        if np.isfinite(result.loss):
            average_into(state.current, outputs, self.norms)
            self._update(state, outputs)
        return result

    def _update(self, state: TrainingState, gradients: Tensors) -> None:
        state.step += 1
        values = {
            "lr": self.settings.lr,
            "momentum": self.settings.momentum,
            "weight_decay": self.settings.weight_decay,
            "step": state.step,
        }
        optimizer = self.plan.optimizer
        feeds = {name: np.array(values[name], np.float32) for name in optimizer.inputs}
        for parameter in self.plan.parameters:
            feeds[parameter.name] = state.current[parameter.name]
            feeds[parameter.gradient] = gradients[parameter.gradient]
            feeds |= {parameter.state(slot): state.slots[parameter.state(slot)] for slot in optimizer.slots}
        outputs = self.update.run(feeds)
        for parameter in self.plan.parameters:
            state.current[parameter.name] = outputs[parameter.updated]
            for slot in optimizer.slots:
                state.slots[parameter.state(slot)] = outputs[parameter.updated_state(slot)]
