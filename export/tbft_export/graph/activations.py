"""Activations that ONNX Runtime Training has no gradient for, or keeps too much for: an entry of `ACTIVATIONS` each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import onnx_ir as ir

from tbft_export.graph.nodes import NodeWriter
from tbft_export.graph.operands import constant_input

RELU6 = (0.0, 6.0)
# The domain of the gradients that ONNX Runtime Training has no operator for; lowerings write them out.
GRADIENT_DOMAIN = "tbft"
_STANDS_FOR = "stands_for"

Attributes = Mapping[str, float]


@dataclass(frozen=True)
class ActivationKind:
    """An operator, and what its backward pass needs.

    Its gradient is <name>Grad(dY, V) in `GRADIENT_DOMAIN`, with the same attributes; a lowering writes it.
    """

    op_type: str
    """The operator in ONNX."""
    written_out: Callable[[NodeWriter, ir.Value, Attributes], ir.Value]
    """x -> y with operators for which ONNX Runtime Training has gradients and kernels."""
    operands: tuple[float, ...] = ()
    """Constants behind x with which the operator is this activation."""
    attributes: Attributes = field(default_factory=dict)
    """Its attributes, and their defaults."""
    gradient_reads: Literal["x", "y"] = "y"
    """What V is. The output costs no memory: the next layer keeps it anyway."""
    can_be_masked: bool = False
    """Whether y is positive exactly where x is, so that MobileTL's mask can be read from y."""


@dataclass(frozen=True)
class Activation:
    """One node: which of `ACTIVATIONS` it is, and its attributes."""

    name: str
    attributes: Attributes = field(default_factory=dict)

    @property
    def kind(self) -> ActivationKind:
        return ACTIVATIONS[self.name]


def read_activation(node: ir.Node) -> Activation | None:
    """What `node` is; None if it is none of them, such as a Clip between other bounds than 0 and 6."""
    if node.domain not in ("", "ai.onnx"):
        return None
    for name, kind in ACTIVATIONS.items():
        if node.op_type == kind.op_type and _constants(node) == kind.operands:
            found = {each: node.attributes.get_float(each, default) for each, default in kind.attributes.items()}
            return Activation(name, found)
    return None


def mark_stand_in(relu: ir.Node, activation: Activation) -> None:
    """Remember what `relu` stands for."""
    relu.meta[_STANDS_FOR] = activation


def stand_ins(graph: ir.Graph) -> Mapping[str, Activation]:
    """What stands for another activation in `graph`, by the name of its output."""
    return {node.outputs[0].name or "": node.meta[_STANDS_FOR] for node in graph if _STANDS_FOR in node.meta}


def _constants(node: ir.Node) -> tuple[object, ...]:
    """What stands behind x; None for an operand that is no constant."""
    arrays = (constant_input(node, index) for index in range(1, len(node.inputs)))
    return tuple(None if array is None else array.tolist() for array in arrays)


def _relu6(emit: NodeWriter, x: ir.Value, _: Attributes) -> ir.Value:
    """clip(x, 0, 6)."""
    return _clipped(emit, x, 6.0)


def _hard_sigmoid(emit: NodeWriter, x: ir.Value, attributes: Attributes) -> ir.Value:
    """clip(alpha * x + beta, 0, 1)."""
    return _clipped(emit, emit.op("Add", emit.op("Mul", x, attributes["alpha"]), attributes["beta"]), 1.0)


def _hard_swish(emit: NodeWriter, x: ir.Value, _: Attributes) -> ir.Value:
    """x * clip(x / 6 + 1/2, 0, 1)."""
    return emit.op("Mul", x, _hard_sigmoid(emit, x, {"alpha": 1 / 6, "beta": 0.5}))


def _elu(emit: NodeWriter, x: ir.Value, attributes: Attributes) -> ir.Value:
    """relu(x) + alpha * (exp(min(x, 0)) - 1)."""
    return _bent(emit, x, attributes["alpha"], 1.0)


def _selu(emit: NodeWriter, x: ir.Value, attributes: Attributes) -> ir.Value:
    """gamma * (relu(x) + alpha * (exp(min(x, 0)) - 1))."""
    return emit.op("Mul", _bent(emit, x, attributes["alpha"], 1.0), attributes["gamma"])


def _celu(emit: NodeWriter, x: ir.Value, attributes: Attributes) -> ir.Value:
    """relu(x) + alpha * (exp(min(x, 0) / alpha) - 1)."""
    return _bent(emit, x, attributes["alpha"], 1 / attributes["alpha"])


def _softplus(emit: NodeWriter, x: ir.Value, _: Attributes) -> ir.Value:
    """log(1 + exp(x)) = relu(x) + log(1 + exp(-|x|)), of which nothing overflows."""
    decay = emit.op("Exp", emit.op("Neg", emit.op("Abs", x)))
    return emit.op("Add", emit.op("Relu", x), emit.op("Log", emit.op("Add", decay, 1.0)))


def _softsign(emit: NodeWriter, x: ir.Value, _: Attributes) -> ir.Value:
    """x / (1 + |x|)."""
    return emit.op("Div", x, emit.op("Add", emit.op("Abs", x), 1.0))


def _bent(emit: NodeWriter, x: ir.Value, alpha: float, steepness: float) -> ir.Value:
    """relu(x) + alpha * (exp(steepness * min(x, 0)) - 1); min(x, 0) = x - relu(x) has the slope 1 at 0."""
    above = emit.op("Relu", x)
    below = emit.op("Mul", emit.op("Sub", x, above), steepness)
    return emit.op("Add", above, emit.op("Mul", emit.op("Sub", emit.op("Exp", below), 1.0), alpha))


def _clipped(emit: NodeWriter, x: ir.Value, bound: float) -> ir.Value:
    """clip(x, 0, bound) = bound - relu(bound - relu(x))."""
    return emit.op("Sub", bound, emit.op("Relu", emit.op("Sub", bound, emit.op("Relu", x))))


ACTIVATIONS: Mapping[str, ActivationKind] = {
    "Relu6": ActivationKind("Clip", _relu6, operands=RELU6, can_be_masked=True),
    "HardSwish": ActivationKind("HardSwish", _hard_swish, gradient_reads="x", can_be_masked=True),
    "HardSigmoid": ActivationKind("HardSigmoid", _hard_sigmoid, attributes={"alpha": 0.2, "beta": 0.5}),
    "Elu": ActivationKind("Elu", _elu, attributes={"alpha": 1.0}),
    "Selu": ActivationKind("Selu", _selu, attributes={"alpha": 1.67326319, "gamma": 1.05070102}),
    "Celu": ActivationKind("Celu", _celu, attributes={"alpha": 1.0}),
    "Softplus": ActivationKind("Softplus", _softplus, gradient_reads="x"),
    "Softsign": ActivationKind("Softsign", _softsign),
}

# Those whose gradient ONNX Runtime Training has, or that are written out (PRelu).
_OTHERS = frozenset({"Relu", "Sigmoid", "Tanh", "LeakyRelu", "PRelu"})
OPERATORS = _OTHERS | {kind.op_type for kind in ACTIVATIONS.values()}


def begins_activation(node: ir.Node) -> bool:
    """Whether `node` is an activation function or the first operator of GELU, which has none: erf(x / sqrt 2)."""
    if node.op_type in OPERATORS:
        return True
    scales = node.op_type in ("Div", "Mul") and constant_input(node, 1) is not None
    return scales and any(use.node.op_type == "Erf" for use in node.outputs[0].uses())
