"""The user's module held against the graph that PyTorch's exporter wrote of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_export.check.answers import answers_of
from tbft_export.check.batch import CheckBatch
from tbft_export.check.measure import FORMULA, KINK, TIMES, formula_errors, kernel_errors
from tbft_export.check.result import Worst, module_disagreement, named
from tbft_export.graph.forward import ForwardModel
from tbft_export.reference.evaluate import UnknownOperatorError
from tbft_export.reference.onnx_reference import OnnxReference
from tbft_export.reference.torch_reference import Reference, ReferenceStep, reference_step


@dataclass(frozen=True)
class Trace:
    """By how much the module is off from its graph: each loss, average and gradient, over what it may be off.

    `largest`: what is furthest off in float64, relative to its size; None where there was nothing to compare, or not in
    float64. `step` is the module's own; None for a model that is nothing but its graph.
    """

    errors: Mapping[str, float] = field(default_factory=dict)
    largest: Worst | None = None
    step: ReferenceStep | None = None

    def require(self, parameters: Iterable[str]) -> None:
        """Raise TbftError where the module does not train `parameters` as its graph says."""
        names = list(parameters)
        if self.step is None:
            return
        self.step.require(names)
        told = {name for name in self.errors if name not in self.step.gradients} | set(names)
        for name, error in self.errors.items():
            if name in told and not error <= 1:
                raise module_disagreement(Worst(named(name, self.step.gradients), error))


def trace(
    module: Reference, forward: ForwardModel, parameters: Sequence[str], norms: Sequence[BatchNorm], batch: CheckBatch
) -> Trace:
    """One train step of both, with batch statistics in `norms`.

    In float64, where rounding is 1e-16; in float32 for a module that cannot be computed so. Raises TbftError where the
    module cannot make a train step at all.
    """
    if isinstance(module, OnnxReference):
        return Trace()
    means = [norm.mean for norm in norms]

    def step(of: Reference, dtype: torch.dtype, kink: float = 0.0) -> ReferenceStep:
        return reference_step(of, parameters, means, batch.images, batch.labels, dtype=dtype, kink=kink)

    try:
        found, precise = step(module, torch.float64), True
    except TbftError:
        found, precise = step(module, torch.float32), False
    graph = OnnxReference(forward)
    try:
        exact = step(graph, torch.float64)
    except UnknownOperatorError:
        return Trace(step=found)
    kept = exact.gradients.keys() & found.gradients.keys()
    mine, theirs = (answers_of(each.only(kept), norms, module.tensors()) for each in (found, exact))
    off = formula_errors(mine, theirs)
    if precise and not max(off.values()) <= FORMULA:
        moved = [step(graph, torch.float64, kink).only(kept) for kink in (-KINK, KINK)]
        off = formula_errors(mine, theirs, [answers_of(each, norms, module.tensors()) for each in moved])
    if precise and max(off.values()) <= FORMULA:
        errors = {name: error / FORMULA for name, error in off.items()}
    else:
        # Constants that the graph has in float32, and what the module itself computes so.
        rounded = answers_of(step(graph, torch.float32).only(kept), norms, module.tensors())
        errors = kernel_errors(mine, theirs, rounded, times=1.0 if precise else TIMES)
    worst = max(off, key=lambda name: off[name])
    return Trace(errors, Worst(named(worst, kept), off[worst]) if precise else None, found)
