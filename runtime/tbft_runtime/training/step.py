"""One train step: prefix, gradient, update."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import BATCH_SUFFIX
from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.prefix import Prefix
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.memory import Room
from tbft_runtime.graphs.sessions import Tensors, load_graph
from tbft_runtime.graphs.signature import Signature
from tbft_runtime.run.division import gradient_division
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState
from tbft_runtime.training.accumulation import Accumulator, BatchResult
from tbft_runtime.training.batch_norm import average_into, check_batch
from tbft_runtime.training.flat import FlatParameters
from tbft_runtime.training.sparse_rows import NO_CHANNELS, Channels, fixed_inputs, starting_rows
from tbft_runtime.training.targets import Targets


@dataclass(frozen=True)
class StepResult:
    """Mean loss of the batch, and how many answers were right before the update."""

    loss: float
    correct: int


@dataclass(frozen=True)
class TargetsResult:
    """Mean loss of the batch, and the logits (N, C) float32 of its images, in their order, before the update."""

    loss: float
    logits: np.ndarray


def initial_state(
    bundle: Bundle, plan: Plan, settings: Settings, base: Tensors, channels: Channels = NO_CHANNELS
) -> TrainingState:
    """The base model's trained parameters, the running statistics that may move, and empty optimizer state.

    `channels` are those whose rows the parameters of `plan` hold (`Plan.with_channels`).
    """
    rows = starting_rows(plan, channels, base) if settings.epochs else {}
    moving = [parameter.name for parameter in plan.parameters if parameter.name not in rows] if settings.epochs else []
    manifest = bundle.manifest
    for norm in manifest.batch_norms if settings.batch_norm == "adapt" else manifest.moving_norms(plan):
        moving += [norm.mean, norm.variance]
    slots = {
        parameter.state(slot): np.zeros(parameter.shape, np.float32)
        for parameter in plan.parameters
        for slot in plan.optimizer.slots
    }
    # Copies: training writes into them.
    return TrainingState(current={name: base[name].copy() for name in moving} | rows, slots=slots, best={})


class TrainStep:
    """The graphs of a plan, loaded; `weights` are those that stay fixed.

    Parameters, gradients and optimizer state are bound to the graphs once and updated in place. A batch
    goes through the gradient graph in the parts of a `division`, whose gradients are added, weighted by
    their images. Both graphs are traced into the folder `traces`.

    With `takes_targets` a batch comes with `Targets` in place of labels. Raises TbftError where no graph takes them.
    """

    def __init__(
        self,
        bundle: Bundle,
        plan: Plan,
        settings: Settings,
        weights: Tensors,
        prefix: Prefix | None,
        *,
        traces: Path | None = None,
        takes_targets: bool = False,
    ) -> None:
        self.plan = plan
        self.settings = settings
        self.norms = bundle.manifest.moving_norms(plan)
        self.prefix = prefix
        execution = settings.execution
        self.division = gradient_division(plan, settings)
        self._classes = len(bundle.manifest.classes) if takes_targets else None
        room = Room(settings.batch_size, bundle.manifest.shape, trains=True)
        name, signature = self._gradient_graph()
        self.gradient = load_graph(
            bundle_graph(bundle, name),
            weights,
            self.division.threads,
            signature=signature,
            room=room,
            spinning=execution.spinning,
            trace=traces and traces / "gradient",
        )
        self.update = load_graph(
            bundle_graph(bundle, plan.update),
            weights,
            1,
            signature=roles.update(plan),
            room=room,
            trace=traces and traces / "update",
        )
        self._check_statistics()
        self._bound: _BoundState | None = None

    def _gradient_graph(self) -> tuple[str, Signature]:
        """The file of the graph that takes what this step is given, and what that graph must take and give."""
        plan = self.plan
        if self._classes is None:
            return plan.gradient_in(self.settings.execution.gradient_form), roles.gradient(plan, self.norms)
        if not plan.soft_targets:
            raise TbftError(
                f"plan {plan.id!r} has no graph that takes targets",
                "export the bundle again; plans with exits, or with channels to choose, train with labels alone",
            )
        return plan.targets, roles.targets(plan, self.norms, self._classes)

    def _check_statistics(self) -> None:
        """Each norm that uses the statistics of the batch has them from the prefix or from the gradient graph."""
        given = {*self.gradient.outputs, *(self.prefix.graph.outputs if self.prefix else ())}
        for name in roles.batch_statistics(self.norms):
            if name not in given:
                raise TbftError(f"no graph of plan {self.plan.id!r} gives '{name}'", "export the bundle again")

    @overload
    def run(self, state: TrainingState, images: np.ndarray, wanted: np.ndarray) -> StepResult: ...

    @overload
    def run(self, state: TrainingState, images: np.ndarray, wanted: Targets) -> TargetsResult: ...

    def run(self, state: TrainingState, images: np.ndarray, wanted: np.ndarray | Targets) -> StepResult | TargetsResult:
        """Train on a batch: images (N, C, H, W) float32, labels (N,) int64 or targets. Changes `state` in place.

        If the loss is not finite, nothing is changed. Raises TbftError for a batch, or a part of one, that
        gives a batch norm with batch statistics one value per channel, and for targets of other images or classes.
        """
        return self.run_from_boundary(state, self.to_boundary(images), wanted)

    def to_boundary(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """What the frozen prefix makes of images: the boundary activation, and its batch statistics if any.

        Without a prefix that is the images themselves.
        """
        if self.prefix is None:
            return {self.plan.boundary.name: images}
        return self.prefix.run(images)

    @overload
    def run_from_boundary(self, state: TrainingState, prefix: Tensors, wanted: np.ndarray) -> StepResult: ...

    @overload
    def run_from_boundary(self, state: TrainingState, prefix: Tensors, wanted: Targets) -> TargetsResult: ...

    def run_from_boundary(
        self, state: TrainingState, prefix: Tensors, wanted: np.ndarray | Targets
    ) -> StepResult | TargetsResult:
        """The rest of `run`, given the result of `to_boundary`, which a fixed prefix makes once and for all."""
        if self._classes is not None:
            self._check_targets(wanted, len(prefix[self.plan.boundary.name]))
        if self.norms:
            check_batch(self.norms, self.division.smallest(len(wanted)))
        if self._bound is None or self._bound.state is not state:
            self._bound = _BoundState(self, state)
        batch = self._bound.step(prefix, wanted)
        return (
            StepResult(batch.loss, batch.correct) if batch.logits is None else TargetsResult(batch.loss, batch.logits)
        )

    def _check_targets(self, wanted: np.ndarray | Targets, images: int) -> None:
        shape = wanted.targets.shape if isinstance(wanted, Targets) else wanted.shape
        if shape != (images, self._classes):
            raise TbftError(
                f"targets of a batch have the shape {shape}, not ({images}, {self._classes})",
                "give a row for each image and a column for each class",
            )


class _BoundState:
    """The graphs of a train step, bound to the arrays of one state.

    Parameters, their gradients and each kind of optimizer state lie behind each other in one vector, so
    that the update is a handful of operators however many tensors are trained; the tensors of the state
    become views of it.
    """

    def __init__(self, owner: TrainStep, state: TrainingState) -> None:
        self.owner = owner
        self.state = state
        plan, settings = owner.plan, owner.settings
        weights = FlatParameters(plan)
        for parameter in plan.parameters:
            weights.adopt(state.current, parameter.name, parameter)
        slots = {}
        for slot in plan.optimizer.slots:
            vector = slots[plan.flat.state(slot)] = FlatParameters(plan)
            for parameter in plan.parameters:
                vector.adopt(state.slots, parameter.state(slot), parameter)

        gradients = FlatParameters(plan)
        known = {name + BATCH_SUFFIX for norm in owner.norms for name in (norm.mean, norm.variance)}
        strange = {name for name in owner.gradient.outputs if name.endswith(BATCH_SUFFIX)} - known
        if strange:
            raise TbftError(
                f"the gradient graph of plan '{plan.id}' computes '{min(strange)}', which the plan does not use",
                "export the bundle again",
            )
        statistics = {
            name: np.empty(state.current[name.removesuffix(BATCH_SUFFIX)].shape, np.float32)
            for name in owner.gradient.outputs
            if name.endswith(BATCH_SUFFIX)
        }
        self.accumulator = Accumulator(
            plan,
            owner.gradient,
            {parameter.name: weights.view(parameter) for parameter in plan.parameters}
            | fixed_inputs(plan, state.current),
            gradients,
            owner.norms,
            statistics,
            owner.division,
        )
        values = {"lr": settings.lr, "momentum": settings.momentum, "weight_decay": settings.weight_decay, "step": 0}
        scalars = {name: np.array(values[name], np.float32) for name in plan.optimizer.inputs}
        self._step_number = scalars.get("step", np.zeros((), np.float32))
        vectors = {name: flat.vector for name, flat in slots.items()}
        updated = {plan.flat.updated: weights.vector}
        updated |= {plan.flat.updated_state(slot): vectors[plan.flat.state(slot)] for slot in plan.optimizer.slots}
        # Every operator of the update works element by element and writes a vector after its last use.
        self._update = owner.update.bind(
            {**scalars, **vectors, plan.flat.name: weights.vector, plan.flat.gradient: gradients.vector}, updated
        )

    def step(self, prefix: Tensors, wanted: np.ndarray | Targets) -> BatchResult:
        batch = self.accumulator.run(prefix[self.owner.plan.boundary.name], wanted)
        if math.isfinite(batch.loss):
            if self.owner.norms:
                average_into(self.state.current, {**prefix, **batch.statistics}, self.owner.norms)
            self.state.step += 1
            self._step_number[()] = self.state.step
            self._update.run({})
        return batch
