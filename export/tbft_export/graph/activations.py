"""Activations with kinks that ONNX Runtime Training has no gradient for, or keeps too much for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import onnx_ir as ir

from tbft_export.graph.operands import constant_input

ActivationKind = Literal["Relu6", "HardSwish", "HardSigmoid"]
RELU6 = (0.0, 6.0)
# The domain of the gradients that ONNX Runtime Training has no operator for; lowerings write them out.
GRADIENT_DOMAIN = "tbft"
_STANDS_FOR = "stands_for"


@dataclass(frozen=True)
class Activation:
    """One such node: y = clip(x, 0, 6), x * clip(x / 6 + 1/2, 0, 1), or clip(alpha * x + beta, 0, 1)."""

    kind: ActivationKind
    alpha: float = 0.0
    beta: float = 0.0


def read_activation(node: ir.Node) -> Activation | None:
    """What `node` is; None if it is no such activation. A Clip between other bounds than 0 and 6 is left to ORT."""
    if node.domain not in ("", "ai.onnx"):
        return None
    match node.op_type:
        case "HardSwish":
            return Activation("HardSwish")
        case "HardSigmoid":
            alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
            return Activation("HardSigmoid", alpha, beta)
        case "Clip" if clip_bounds(node) == RELU6:
            return Activation("Relu6")
    return None


def mark_stand_in(relu: ir.Node, activation: Activation) -> None:
    """Remember what `relu` stands for."""
    relu.meta[_STANDS_FOR] = activation


def stand_ins(graph: ir.Graph) -> Mapping[str, Activation]:
    """What stands for another activation in `graph`, by the name of its output."""
    return {node.outputs[0].name or "": node.meta[_STANDS_FOR] for node in graph if _STANDS_FOR in node.meta}


def clip_bounds(node: ir.Node) -> tuple[float | None, float | None]:
    """Lower and upper bound of a Clip; None for one that it has not, or that is no constant."""
    low, high = constant_input(node, 1), constant_input(node, 2)
    return None if low is None else float(low), None if high is None else float(high)
