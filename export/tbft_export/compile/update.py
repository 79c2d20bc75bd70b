"""The update graph: one optimizer step as a plain ONNX graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Optimizer, OptimizerKind, Parameter
from tbft_export.graph.forward import IR_VERSION, OPSET

# torch.optim defaults; beta1 is the graph's input `momentum`.
BETA2 = 0.999
EPSILON = 1e-8

Values = dict[str, ir.Value]


@dataclass(frozen=True)
class _Rule:
    inputs: tuple[str, ...]
    slots: tuple[str, ...]
    weight_decay: float
    write: Callable[[_Builder, Values, Values], Values]


class _Builder:
    """A tape with arrays as operands."""

    def __init__(self) -> None:
        self.tape = ir.tape.Tape()
        self._constants: dict[tuple[float, str], ir.Value] = {}

    def op(self, op_type: str, *operands: ir.Value | float) -> ir.Value:
        inputs = [self.constant(value) if isinstance(value, float) else value for value in operands]
        return self.tape.op(op_type, inputs)

    def cast(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        return self.tape.op("Cast", [value], {"to": int(dtype)})

    def constant(self, value: float, dtype: type[np.floating] = np.float32) -> ir.Value:
        key = (value, dtype.__name__)
        if key not in self._constants:
            tensor = ir.tensor(np.array(value, dtype), name=f"constant_{len(self._constants)}")
            self._constants[key] = self.tape.initializer(tensor)
        return self._constants[key]


def _sgd(b: _Builder, scalars: Values, p: Values) -> Values:
    """d = g + weight_decay * w;  m' = momentum * m + d;  w' = w - lr * m'      (torch.optim.SGD)."""
    decayed = b.op("Add", p["gradient"], b.op("Mul", p["weight"], scalars["weight_decay"]))
    buffer = b.op("Add", b.op("Mul", p["momentum"], scalars["momentum"]), decayed)
    return {"weight": b.op("Sub", p["weight"], b.op("Mul", buffer, scalars["lr"])), "momentum": buffer}


def _adam(b: _Builder, scalars: Values, p: Values) -> Values:
    """d = g + weight_decay * w, then the moments of d                          (torch.optim.Adam)."""
    decayed = b.op("Add", p["gradient"], b.op("Mul", p["weight"], scalars["weight_decay"]))
    return _moments(b, scalars, p, p["weight"], decayed)


def _adamw(b: _Builder, scalars: Values, p: Values) -> Values:
    """W <- w * (1 - lr * weight_decay), then the moments of g                  (torch.optim.AdamW)."""
    shrunk = b.op("Mul", p["weight"], b.op("Sub", 1.0, b.op("Mul", scalars["lr"], scalars["weight_decay"])))
    return _moments(b, scalars, p, shrunk, p["gradient"])


def _moments(b: _Builder, scalars: Values, p: Values, weight: ir.Value, gradient: ir.Value) -> Values:
    """M' = beta1 m + (1 - beta1) d;  v' = beta2 v + (1 - beta2) d^2;
    w' = w - lr / (1 - beta1^t) * m' / (sqrt(v') / sqrt(1 - beta2^t) + epsilon).
    """
    beta1 = scalars["momentum"]
    first = b.op("Add", b.op("Mul", p["exp_avg"], beta1), b.op("Mul", gradient, b.op("Sub", 1.0, beta1)))
    squared = b.op("Mul", b.op("Mul", gradient, gradient), 1.0 - BETA2)
    second = b.op("Add", b.op("Mul", p["exp_avg_sq"], BETA2), squared)
    denominator = b.op("Add", b.op("Div", b.op("Sqrt", second), scalars["root_correction2"]), EPSILON)
    step = b.op("Mul", scalars["corrected_lr"], b.op("Div", first, denominator))
    return {"weight": b.op("Sub", weight, step), "exp_avg": first, "exp_avg_sq": second}


def _bias_corrections(b: _Builder, scalars: Values) -> Values:
    """Lr / (1 - beta1^t) and sqrt(1 - beta2^t), in double: at t = 1 float32 would lose 3 digits."""
    one = b.constant(1.0, np.float64)
    step = b.cast(scalars["step"], ir.DataType.DOUBLE)
    beta1 = b.cast(scalars["momentum"], ir.DataType.DOUBLE)
    first = b.op("Sub", one, b.op("Pow", beta1, step))
    second = b.op("Sub", one, b.op("Pow", b.constant(BETA2, np.float64), step))
    lr = b.op("Div", b.cast(scalars["lr"], ir.DataType.DOUBLE), first)
    return {
        "corrected_lr": b.cast(lr, ir.DataType.FLOAT),
        "root_correction2": b.cast(b.op("Sqrt", second), ir.DataType.FLOAT),
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
    builder = _Builder()
    scalars = {name: _input(name, ()) for name in rule.inputs}
    inputs = list(scalars.values())
    if "step" in scalars:
        scalars |= _bias_corrections(builder, scalars)
    outputs: list[ir.Value] = []
    for parameter in parameters:
        shape = ("values",) if open_length else parameter.shape
        values = {"weight": _input(parameter.name, shape), "gradient": _input(parameter.gradient, shape)}
        values |= {slot: _input(parameter.state(slot), shape) for slot in rule.slots}
        inputs += values.values()
        updated = rule.write(builder, scalars, values)
        results = {"weight": parameter.updated} | {slot: parameter.updated_state(slot) for slot in rule.slots}
        for key, name in results.items():
            value = updated[key]
            value.name, value.shape, value.dtype = name, ir.Shape(shape), ir.DataType.FLOAT
            outputs.append(value)
    graph = ir.Graph(
        inputs,
        outputs,
        nodes=builder.tape.nodes,
        initializers=builder.tape.initializers,
        opset_imports={"": OPSET},
        name="update",
    )
    return ir.Model(graph, ir_version=IR_VERSION)


def _input(name: str, shape: Sequence[int | str]) -> ir.Value:
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(ir.DataType.FLOAT))
