"""What the compiler is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from tbft_artifacts.plan import ConvolutionForm, Optimizer, Plan
from tbft_export.compile.statistics import NormPart
from tbft_export.training_plan import TrainingPlan


@dataclass(frozen=True)
class PlanRequest:
    """What is trained, and how it is stepped.

    With a `prefix` "int8" the plan is one whose prefix can be quantised; here it still computes in float32.
    A plan that `scores` has the graph by which a device chooses channels. `norm_part` is what was asked of it.
    """

    training: TrainingPlan
    optimizer: Optimizer
    batch_size: int
    scores: bool = False
    norm_part: NormPart = None

    @property
    def id(self) -> str:
        """The id of the plan: label, policy, optimizer, prefix; what goes without saying is left out."""
        training = self.training
        int8 = training.prefix if training.prefix == "int8" else None
        return "-".join(part for part in (training.label, training.policy, self.optimizer.kind, int8) if part)


@dataclass(frozen=True)
class CompiledPlan:
    """A plan and its graphs; weights are still inside them. Prefix and gradient are there in several forms.

    `targets` is the gradient with targets in place of labels, in one form, for plans that have it. `fisher` scores the
    channels of sparse layers, in the plan that does so for all. `stages` are the parts of a network with exits, each up
    to one of them, and `predict` is that network with the last exit alone.
    """

    plan: Plan
    prefixes: Mapping[ConvolutionForm, ir.Model]
    suffix: ir.Model
    gradients: Mapping[ConvolutionForm, ir.Model]
    update: ir.Model
    targets: ir.Model | None = None
    fisher: ir.Model | None = None
    stages: tuple[ir.Model, ...] = ()
    predict: ir.Model | None = None
