"""Write activations with operators for which ORT Training has gradients and kernels."""

from __future__ import annotations

import onnx_ir as ir

from tbft_export.graph.activations import Activation, read_activation
from tbft_export.graph.emitter import Emitter


class WriteOutActivationsPass(ir.passes.InPlacePass):
    """ReLU6, hard-swish and hard-sigmoid -> Relu, Mul, Sub and Add, for ORT Training's own artifacts.

        relu6(x)         = 6 - relu(6 - relu(x))
        hardsigmoid(x)   = 1 - relu(1 - relu(alpha * x + beta))
        hardswish(x)     = x * hardsigmoid(x), alpha = 1/6, beta = 1/2

    ORT Training has no gradient for the last two, and its gradient of Clip counts the bounds as inside,
    where PyTorch's has them outside; this form has them outside.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            activation = read_activation(node)
            if activation is None:
                continue
            emit = Emitter(node)
            x = node.inputs[0]
            assert x is not None
            emit.replace(_written_out(emit, activation, x))
            modified = True
        return ir.passes.PassResult(model, modified)


def _written_out(emit: Emitter, activation: Activation, x: ir.Value) -> ir.Value:
    match activation.kind:
        case "Relu6":
            return _clipped(emit, x, 6.0)
        case "HardSigmoid":
            return _hard_sigmoid(emit, x, activation.alpha, activation.beta)
        case "HardSwish":
            return emit.op("Mul", x, _hard_sigmoid(emit, x, 1 / 6, 0.5))


def _hard_sigmoid(emit: Emitter, x: ir.Value, alpha: float, beta: float) -> ir.Value:
    return _clipped(emit, emit.op("Add", emit.op("Mul", x, alpha), beta), 1.0)


def _clipped(emit: Emitter, x: ir.Value, bound: float) -> ir.Value:
    """clip(x, 0, bound)."""
    return emit.op("Sub", bound, emit.op("Relu", emit.op("Sub", bound, emit.op("Relu", x))))
