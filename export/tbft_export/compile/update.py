"""The update graph: one optimizer step as a plain ONNX graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Optimizer, OptimizerKind, Parameter
from tbft_export.graph.builder import empty_graph, graph_input
from tbft_export.graph.forward import IR_VERSION
from tbft_export.graph.nodes import NodeWriter, Number, initializer, named_by_graph

# torch.optim defaults; beta1 is the graph's input `momentum`.
BETA2 = 0.999
EPSILON = 1e-8

Values = dict[str, ir.Value]


@dataclass(frozen=True)
class _Rule:
    inputs: tuple[str, ...]
    slots: tuple[str, ...]
    weight_decay: float
    write: Callable[[_Writer, Values, Values], Values]


class _Writer(NodeWriter):
    """Collects nodes; equal constants are one."""

    def __init__(self, graph: ir.Graph) -> None:
        self.nodes: list[ir.Node] = []
        super().__init__(graph, named_by_graph, self.nodes.append)
        self._constants: dict[tuple[type, bytes], ir.Value] = {}

    def constant(self, number: Number) -> ir.Value:
        key = type(number), np.asarray(number).tobytes()
        if key not in self._constants:
            self._constants[key] = initializer(self.graph, f"constant_{len(self._constants)}", number)
        return self._constants[key]


def _sgd(emit: _Writer, scalars: Values, p: Values) -> Values:
    """d = g + weight_decay * w;  m' = momentum * m + d;  w' = w - lr * m'      (torch.optim.SGD)."""
    decayed = emit.op("Add", p["gradient"], emit.op("Mul", p["weight"], scalars["weight_decay"]))
    buffer = emit.op("Add", emit.op("Mul", p["momentum"], scalars["momentum"]), decayed)
    return {"weight": emit.op("Sub", p["weight"], emit.op("Mul", buffer, scalars["lr"])), "momentum": buffer}


def _adam(emit: _Writer, scalars: Values, p: Values) -> Values:
    """d = g + weight_decay * w, then the moments of d                          (torch.optim.Adam)."""
    decayed = emit.op("Add", p["gradient"], emit.op("Mul", p["weight"], scalars["weight_decay"]))
    return _moments(emit, scalars, p, p["weight"], decayed)


def _adamw(emit: _Writer, scalars: Values, p: Values) -> Values:
    """W <- w * (1 - lr * weight_decay), then the moments of g                  (torch.optim.AdamW)."""
    shrunk = emit.op("Mul", p["weight"], emit.op("Sub", 1.0, emit.op("Mul", scalars["lr"], scalars["weight_decay"])))
    return _moments(emit, scalars, p, shrunk, p["gradient"])


def _moments(emit: _Writer, scalars: Values, p: Values, weight: ir.Value, gradient: ir.Value) -> Values:
    """M' = beta1 m + (1 - beta1) d;  v' = beta2 v + (1 - beta2) d^2;
    w' = w - lr / (1 - beta1^t) * m' / (sqrt(v') / sqrt(1 - beta2^t) + epsilon).
    """
    beta1 = scalars["momentum"]
    first = emit.op("Add", emit.op("Mul", p["exp_avg"], beta1), emit.op("Mul", gradient, emit.op("Sub", 1.0, beta1)))
    squared = emit.op("Mul", emit.op("Mul", gradient, gradient), 1.0 - BETA2)
    second = emit.op("Add", emit.op("Mul", p["exp_avg_sq"], BETA2), squared)
    denominator = emit.op("Add", emit.op("Div", emit.op("Sqrt", second), scalars["root_correction2"]), EPSILON)
    step = emit.op("Mul", scalars["corrected_lr"], emit.op("Div", first, denominator))
    return {"weight": emit.op("Sub", weight, step), "exp_avg": first, "exp_avg_sq": second}


def _bias_corrections(emit: _Writer, scalars: Values) -> Values:
    """Lr / (1 - beta1^t) and sqrt(1 - beta2^t), in double: at t = 1 float32 would lose 3 digits."""
    one, beta2 = np.array(1.0), np.array(BETA2)
    step = emit.cast(scalars["step"], ir.DataType.DOUBLE)
    beta1 = emit.cast(scalars["momentum"], ir.DataType.DOUBLE)
    first = emit.op("Sub", one, emit.op("Pow", beta1, step))
    second = emit.op("Sub", one, emit.op("Pow", beta2, step))
    lr = emit.op("Div", emit.cast(scalars["lr"], ir.DataType.DOUBLE), first)
    return {
        "corrected_lr": emit.cast(lr, ir.DataType.FLOAT),
        "root_correction2": emit.cast(emit.op("Sqrt", second), ir.DataType.FLOAT),
    }


_ADAM_INPUTS = ("lr", "momentum", "weight_decay", "step")
_MOMENTS = ("exp_avg", "exp_avg_sq")
_RULES: dict[OptimizerKind, _Rule] = {
    "sgd": _Rule(("lr", "momentum", "weight_decay"), ("momentum",), 0.0, _sgd),
    "adam": _Rule(_ADAM_INPUTS, _MOMENTS, 0.0, _adam),
    "adamw": _Rule(_ADAM_INPUTS, _MOMENTS, 0.01, _adamw),
}


def optimizer(kind: OptimizerKind, lr: float, momentum: float, weight_decay: float | None) -> Optimizer:
    """The manifest's description of an optimizer; None takes torch.optim's default.

    Raises TbftError for values that are negative or no numbers.
    """
    rule = _RULES[kind]
    described = Optimizer(
        kind=kind,
        inputs=rule.inputs,
        slots=rule.slots,
        lr=lr,
        momentum=momentum,
        weight_decay=rule.weight_decay if weight_decay is None else weight_decay,
    )
    values = (described.lr, described.momentum, described.weight_decay)
    if not all(math.isfinite(value) and value >= 0 for value in values):
        words = "lr {:g}, momentum {:g}, weight decay {:g}".format(*values)
        raise TbftError(f"{words}: one of them is negative or no number", "correct the option")
    return described


def build_update(parameters: Sequence[Parameter], kind: OptimizerKind, *, open_length: bool = False) -> ir.Model:
    """Graph (parameters, gradients, state, scalars) -> (parameters, state), float32 throughout.

    Names are those of `Parameter`; scalars are shaped (). `step` counts from 1. With `open_length` each parameter is
    a vector whose length only the device knows.
    """
    rule = _RULES[kind]
    graph = empty_graph("update", [])
    emit = _Writer(graph)
    scalars = {name: graph_input(name, ()) for name in rule.inputs}
    inputs = list(scalars.values())
    if "step" in scalars:
        scalars |= _bias_corrections(emit, scalars)
    outputs: list[ir.Value] = []
    for parameter in parameters:
        shape = ("values",) if open_length else parameter.shape
        values = {"weight": graph_input(parameter.name, shape), "gradient": graph_input(parameter.gradient, shape)}
        values |= {slot: graph_input(parameter.state(slot), shape) for slot in rule.slots}
        inputs += values.values()
        updated = rule.write(emit, scalars, values)
        results = {"weight": parameter.updated} | {slot: parameter.updated_state(slot) for slot in rule.slots}
        for key, name in results.items():
            value = updated[key]
            value.name, value.shape, value.dtype = name, ir.Shape(shape), ir.DataType.FLOAT
            outputs.append(value)
    graph.inputs.extend(inputs)
    graph.outputs.extend(outputs)
    graph.extend(emit.nodes)
    return ir.Model(graph, ir_version=IR_VERSION)
