"""What the plans of a bundle have in common when they are checked: the batch, and the network as its owner has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm, Manifest
from tbft_artifacts.plan import PREDICT
from tbft_export.check.batch import CheckBatch, draw_batch
from tbft_export.check.trace import Trace, trace
from tbft_export.compile.statistics import batch_statistics
from tbft_export.graph.boundary import find_boundary
from tbft_export.graph.forward import IMAGES, ForwardModel
from tbft_export.graph.sessions import Session
from tbft_export.graph.subgraph import extract
from tbft_export.reference.evaluate import UnknownOperatorError
from tbft_export.reference.soft_targets import SoftTargets, draw_targets
from tbft_export.reference.torch_reference import Reference, ReferenceStep, reference_step
from tbft_export.training_plan import TrainingPlan


class Forward(NamedTuple):
    """A forward pass as exact as can be, and as PyTorch's float32 rounds it."""

    exact: ReferenceStep
    rounded: ReferenceStep


class Part(NamedTuple):
    """Where a plan begins, and with which gradient: the boundary, the norms with batch statistics, MobileTL's masks."""

    boundary: str
    means: tuple[str, ...]
    masked: bool


@dataclass(frozen=True)
class CheckedNetwork:
    """A network of which `plans` are compiled into `folder`; what it computes in PyTorch, once for all of them."""

    folder: Path
    manifest: Manifest
    forward: ForwardModel
    reference: Reference
    classes: int
    plans: tuple[TrainingPlan, ...]

    @cached_property
    def batch(self) -> CheckBatch:
        return draw_batch(self.manifest, self.classes, np.random.default_rng(0))

    @cached_property
    def targets(self) -> SoftTargets:
        """What the graphs that take targets are checked with."""
        return draw_targets(len(self.batch.labels), self.classes, np.random.default_rng(0))

    @cached_property
    def trace(self) -> Trace:
        """The module against its graph, for all that any plan trains; norms that one plan moves all move."""
        moved = {mean for part in self._parts for mean in part.means}
        norms = [norm for norm in self.manifest.batch_norms if norm.mean in moved]
        found = trace(self.reference, self.forward, self.trained, norms, self.batch)
        if found.step is not None:
            # A plan that begins with the images takes the same step.
            part = Part(IMAGES, tuple(norm.mean for norm in norms), masked=False)
            self._steps[part, torch.float64, False] = found.step
        return replace(found, step=None)

    @cached_property
    def trained(self) -> list[str]:
        """All that any plan trains."""
        return list(dict.fromkeys(name for plan in self.plans for name in (*plan.parameters, *plan.sparse)))

    def together(self, part: Part) -> list[str]:
        """What plans train that begin in one place, with the same statistics."""
        pairs = zip(self.plans, self._parts, strict=True)
        return list(dict.fromkeys(name for plan, each in pairs if each == part for name in plan.parameters))

    def remembered(
        self, part: Part, dtype: torch.dtype, step: Callable[[], ReferenceStep], *, soft: bool
    ) -> ReferenceStep:
        """The `step` of plans that begin together, made once; those of another part are forgotten.

        `soft` tells that with the targets of all plans from that with labels.
        """
        own = (part, dtype, soft)
        if own not in self._steps:
            for key in [key for key in self._steps if key[0] != part]:
                del self._steps[key]
            self._steps[own] = step()
        return self._steps[own]

    @cached_property
    def _steps(self) -> dict[tuple[Part, torch.dtype, bool], ReferenceStep]:
        return {}

    @cached_property
    def _parts(self) -> list[Part]:
        return [self._part(plan) for plan in self.plans]

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """The weights, in float32."""
        return self.reference.tensors()

    def norms(self, means: Sequence[str]) -> list[BatchNorm]:
        """The batch norms with these running means."""
        return [norm for norm in self.manifest.batch_norms if norm.mean in means]

    def passed(self, means: tuple[str, ...]) -> Forward:
        """The forward pass with batch statistics in the norms that `means` names."""
        if means not in self._passes:
            self._passes[means] = self._pass(means)
        return self._passes[means]

    @cached_property
    def _passes(self) -> dict[tuple[str, ...], Forward]:
        return {}

    def _pass(self, means: tuple[str, ...]) -> Forward:
        images, labels = self.batch.images, self.batch.labels
        try:
            rounded = reference_step(self.reference, (), means, images, labels)
        except UnknownOperatorError:
            if means:
                raise
            # Frozen layers of an .onnx file may be anything that ONNX Runtime computes.
            logits = Session(self.folder, PREDICT).run(images)
            rounded = ReferenceStep(0.0, logits, {}, {})
            return Forward(rounded, rounded)
        try:
            return Forward(reference_step(self.reference, (), means, images, labels, dtype=torch.float64), rounded)
        except TbftError:  # It computes in float32 alone.
            return Forward(rounded, rounded)

    def _part(self, plan: TrainingPlan) -> Part:
        graph = self.forward.graph
        boundary = find_boundary(graph, frozenset((*plan.parameters, *plan.sparse)))
        behind = extract(self.forward.model, boundary, graph.outputs[0]).graph
        return Part(boundary.name or "", batch_statistics(graph, behind, plan.policy), plan.masked)
