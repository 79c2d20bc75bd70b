"""What a self-check found, and the errors that it ends in."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import LOSS
from tbft_export.check.measure import FORMULA


class Worst(NamedTuple):
    """The tensor that is furthest off, and by how much: relative to its size, or to what it may be off."""

    name: str
    error: float

    @classmethod
    def among(cls, errors: Mapping[str, float], gradients: Container[str]) -> Worst:
        """The largest of `errors`, in words; which of them are of `gradients`."""
        name = max(errors, key=lambda each: errors[each], default="")
        return cls(named(name, gradients), errors.get(name, 0.0))


def worst_of(several: Iterable[Worst]) -> Worst:
    """The largest one."""
    return max(several, key=lambda worst: worst.error)


def named(name: str, gradients: Container[str]) -> str:
    """A tensor of a train step in words."""
    if name == LOSS:
        return "the loss"
    return f"the gradient of '{name}'" if name in gradients else f"'{name}'"


@dataclass(frozen=True)
class SelfCheck:
    """How near what was compiled is to PyTorch, of the loss, every gradient and every batch-norm average.

    `trace`: the module is off from its graph by this, both in float64; None where there is no module to ask.
    `formulas`: the written graphs are off from PyTorch by this, both in float64, relative to each tensor's largest
    value. `kernels`: ONNX Runtime is off from float64 by this part of what float32 may lose. `zero_gradients` names the
    parameters whose exact gradient is zero. `adopted` counts the kinks that float32 decided otherwise than float64,
    where the comparison of kernels had to follow it.
    """

    trace: Worst | None
    formulas: Worst
    kernels: Worst
    zero_gradients: tuple[str, ...] = ()
    adopted: int = 0

    @property
    def passed(self) -> bool:
        """Whether all of it is rounding."""
        return self.formulas.error <= FORMULA and self.kernels.error <= 1


class DisagreementError(TbftError):
    """What was compiled computes something else than the reference."""


def formula_disagreement(what: str, worst: Worst, bound: float) -> DisagreementError:
    """The error for a formula that is wrong; `what` says of which graph."""
    return DisagreementError(
        f"the compiled graphs disagree with PyTorch, both computed in float64: {worst.name} of {what} is off by "
        f"{worst.error:.1e} of its size, {worst.error / bound:.2g} times what it may be",
        "nothing was written; please report the model, this is a defect of the compiler",
    )


def kernel_disagreement(what: str, worst: Worst) -> DisagreementError:
    """The error for float32 results that rounding does not explain."""
    return DisagreementError(
        f"the compiled graphs disagree with PyTorch: {worst.name} of {what} is off in ONNX Runtime by "
        f"{worst.error:.2g} times what float32 may lose there",
        "nothing was written; the formulas are right in float64, so please report the model with this operator's "
        "engine: it is a defect of ONNX Runtime, or of the check",
    )


def module_disagreement(worst: Worst) -> DisagreementError:
    """The error for a module that does what no graph says."""
    return DisagreementError(
        "the module computes something else than the graph that PyTorch's exporter wrote of it: "
        f"{worst.name} is off by {worst.error:.2g} times what it may be",
        "its forward branches on values of images, or its backward is its own (detach, autograd.Function): "
        "leave that out, or train a block behind it",
    )
