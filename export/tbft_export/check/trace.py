"""The user's module held against the graph that PyTorch's exporter wrote of it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_export.check.answers import answers_of
from tbft_export.check.batch import CheckBatch
from tbft_export.check.measure import FORMULA, KINK, TIMES, Answers, formula_errors, kernel_errors
from tbft_export.check.result import Worst, module_disagreement, named
from tbft_export.graph.forward import ForwardModel
from tbft_export.reference.evaluate import UnknownOperatorError
from tbft_export.reference.onnx_reference import OnnxReference
from tbft_export.reference.torch_reference import Reference, ReferenceStep, reference_step


@dataclass(frozen=True)
class Trace:
    """By how much the module is off from its graph: each loss, average and gradient, over what it may be off.

    `largest`: what is furthest off in float64, relative to its size; None where there was nothing to compare, or not in
    float64. `complaints` are about parameters that the module cannot train. `step` is that of the graph in float64.
    """

    errors: Mapping[str, float] = field(default_factory=dict)
    largest: Worst | None = None
    complaints: Mapping[str, TbftError] = field(default_factory=dict)
    step: ReferenceStep | None = None

    def require(self, parameters: Sequence[str], others: Container[str]) -> None:
        """Raise TbftError where the module does not train `parameters` as its graph says; `others` are no matter."""
        for name in parameters:
            if name in self.complaints:
                raise self.complaints[name]
        for name, error in self.errors.items():
            if not error <= 1 and (name in parameters or name not in others):
                raise module_disagreement(Worst(named(name, parameters), error))


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
    complaints = _complaints(found, parameters)
    graph = OnnxReference(forward)
    try:
        exact = step(graph, torch.float64)
    except UnknownOperatorError:
        return Trace(complaints=complaints)
    kept = exact.gradients.keys() & found.gradients.keys()

    def answers(of: ReferenceStep) -> Answers:
        return answers_of(of.only(kept), norms, module.tensors())

    off = formula_errors(answers(found), answers(exact))
    if precise and not max(off.values()) <= FORMULA:
        moved = [answers(step(graph, torch.float64, kink)) for kink in (-KINK, KINK)]
        off = formula_errors(answers(found), answers(exact), moved)
    if precise and max(off.values()) <= FORMULA:
        errors = {name: error / FORMULA for name, error in off.items()}
    else:
        # Constants that the graph has in float32, and what the module itself computes so.
        rounded = answers(step(graph, torch.float32))
        errors = kernel_errors(answers(found), answers(exact), rounded, times=1.0 if precise else TIMES)
    return Trace(errors, Worst.among(off, kept) if precise else None, complaints, exact)


def _complaints(step: ReferenceStep, parameters: Sequence[str]) -> dict[str, TbftError]:
    found = {}
    for name in parameters:
        try:
            step.require([name])
        except TbftError as error:
            found[name] = error
    return found
