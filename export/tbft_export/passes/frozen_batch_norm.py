"""Write batch norms with fixed statistics as scale and shift, before the gradient is built."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tbft_export.emitter import Emitter


class FreezeBatchNormPass(ir.passes.InPlacePass):
    """BatchNormalization(x, gamma, beta, mean, var) -> Mul + Add with running statistics.

        inv_std = 1 / sqrt(var + epsilon)
        scale   = gamma * inv_std
        shift   = beta - mean * scale
        y       = x * scale + shift            (scale and shift per channel)

    ORT Training differentiates every BatchNormalization as if it used batch statistics. Written out,
    its gradient is that of fixed statistics: `d gamma = inv_std * (sum dy*x - mean * sum dy)`. What
    does not depend on a trained gamma or beta is folded by the device when it loads the graph.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            if node.op_type == "BatchNormalization":
                _rewrite(node)
                modified = True
        return ir.passes.PassResult(model, modified)


def _rewrite(node: ir.Node) -> None:
    x, gamma, beta, mean, variance = node.inputs
    emit = Emitter(node)
    epsilon = np.array(node.attributes.get_float("epsilon", 1e-5), np.float32)
    rank = 4 if x is None or x.shape is None else len(x.shape)
    per_channel = np.array([1, -1] + [1] * (rank - 2), np.int64)
    inverse_std = emit.op("Reciprocal", emit.op("Sqrt", emit.op("Add", variance, epsilon)))
    scale = emit.op("Mul", gamma, inverse_std)
    shift = emit.op("Sub", beta, emit.op("Mul", mean, scale))
    scaled = emit.op("Mul", x, emit.op("Reshape", scale, per_channel))
    emit.replace(emit.op("Add", scaled, emit.op("Reshape", shift, per_channel)))
