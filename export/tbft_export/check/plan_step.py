"""The train step of one plan: in PyTorch, and what its written graphs are fed with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_artifacts.names import LABELS, LOGITS
from tbft_artifacts.plan import Plan
from tbft_export.check.answers import answers_in, answers_of, with_logits
from tbft_export.check.compiled import in_float64, in_onnxruntime
from tbft_export.check.measure import KINK, Answers
from tbft_export.check.network import CheckedNetwork, Part
from tbft_export.check.sparse import Rows, draw_rows
from tbft_export.graph.forward import IMAGES, ForwardModel
from tbft_export.graph.subgraph import extract, value_named
from tbft_export.reference.evaluate import is_known
from tbft_export.reference.onnx_reference import OnnxReference
from tbft_export.reference.torch_reference import Reference, ReferenceStep, reference_step

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class PlanStep:
    """A train step of `plan`, from the activations of its written prefix on."""

    network: CheckedNetwork
    plan: Plan
    masked: bool

    @cached_property
    def behind(self) -> OnnxReference:
        """The forward graph behind the boundary, whose nodes torch.autograd differentiates."""
        forward = self.network.forward
        start = value_named(forward.graph, self.plan.boundary.name)
        behind = extract(forward.model, start, forward.graph.outputs[0])
        return OnnxReference(ForwardModel(behind, forward.weights))

    @cached_property
    def norms(self) -> list[BatchNorm]:
        """Those behind the boundary that move."""
        here = self.behind.tensors()
        return [norm for norm in self.network.norms(self.plan.batch_statistics) if norm.mean in here]

    @cached_property
    def rows(self) -> Rows:
        weights = {name: tensor.detach().numpy() for name, tensor in self.reference.tensors().items()}
        return draw_rows(self.plan, weights, np.random.default_rng(0))

    @cached_property
    def prefixes(self) -> list[dict[str, np.ndarray]]:
        """What each form of the prefix gives; without one the images are what the step begins with."""
        plan, images = self.plan, self.network.batch.images
        folder = self.network.folder
        if not plan.has_prefix:
            return [{plan.boundary.name: images}]
        return [in_onnxruntime(folder, plan.prefix_in(form), {IMAGES: images}) for form in plan.prefix_forms]

    @cached_property
    def reference(self) -> Reference:
        """What is differentiated: the graph behind the boundary, or the module where PyTorch lacks an operator."""
        unknown = any(not is_known(node) for node in self.behind.graph)
        return self.network.reference if unknown else self.behind

    @property
    def starts_at_boundary(self) -> bool:
        """Whether the reference begins behind the prefix, and not with the images."""
        return self.reference is self.behind

    @cached_property
    def start(self) -> np.ndarray:
        """The activations at the boundary: those of the written prefix, or what a whole module has there itself."""
        plan = self.plan
        if self.starts_at_boundary or not plan.has_prefix:
            return self.prefixes[0][plan.boundary.name]
        images = {IMAGES: self.network.batch.images}
        return in_float64(self.network.folder, plan.prefix, images)[0][plan.boundary.name]

    @cached_property
    def feeds(self) -> dict[str, np.ndarray]:
        """What the gradient graph takes."""
        tensors = self.reference.tensors()
        weights = {parameter.name: tensors[parameter.name].detach().numpy() for parameter in self.plan.parameters}
        return weights | self.rows.feeds | {LABELS: self.network.batch.labels, self.plan.boundary.name: self.start}

    @cached_property
    def exact(self) -> Answers:
        """PyTorch's step in float64."""
        exact = self.in_pytorch(torch.float64)
        dead = any(not gradient.any() for gradient in exact.gradients.values())
        # Behind a dead layer everything lies on kinks, and rounding decides what passes.
        for step in [exact, *(self.beside_kinks if dead else [])]:
            if any(gradient.any() for gradient in step.gradients.values()):
                continue
            raise TbftError(
                "in PyTorch the gradient of everything that would be trained is zero: training would change nothing",
                "train another block, or look for layers that are dead (weights of zero, activations that never pass)",
            )
        return exact

    @cached_property
    def rounded(self) -> Answers:
        """PyTorch's step in float32."""
        return self.in_pytorch(torch.float32)

    @cached_property
    def beside_kinks(self) -> list[Answers]:
        """The steps in float64 with kinks a little aside, for what lies on one exactly (behind a dead layer)."""
        return [self.in_pytorch(torch.float64, kink) for kink in (-KINK, KINK)]

    def in_pytorch(self, dtype: torch.dtype, kink: float = 0.0, *, soft: bool = False) -> Answers:
        """The step with labels, or with targets, where activations bend by `kink` later."""
        names = [*(parameter.name for parameter in self.plan.parameters), *self.rows.weights]
        if kink or self.rows.layers or not self.starts_at_boundary:
            found = self._step(names, dtype, kink, soft=soft)
        else:
            part = Part(self.plan.boundary.name, self.plan.batch_statistics, self.masked)
            together = self.network.together(part)
            found = self.network.remembered(part, dtype, lambda: self._step(together, dtype, 0.0, soft=soft), soft=soft)
        found.require(names)
        answers = answers_of(self.rows.of(found.only(names)), self.norms, self.reference.tensors())
        return with_logits(answers, found.logits) if soft else answers

    def _step(self, names: Sequence[str], dtype: torch.dtype, kink: float, *, soft: bool) -> ReferenceStep:
        begin = self.start if self.starts_at_boundary else self.network.batch.images
        step = partial(reference_step, self.reference, names, self.plan.batch_statistics, begin)
        with self.rows.in_place(self.reference):
            wanted = self.network.targets if soft else self.network.batch.labels
            return step(wanted, dtype=dtype, kink=kink, masked=self.masked)

    def answers(self, found: Arrays) -> Answers:
        """The outputs of a gradient graph; one that takes targets gives logits, too."""
        answers = answers_in(found, self.rows.trained(self.plan).parameters, self.norms, self.reference.tensors())
        return with_logits(answers, found[LOGITS]) if LOGITS in found else answers
