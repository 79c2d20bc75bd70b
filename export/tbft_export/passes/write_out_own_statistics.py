"""Write norms that compute their statistics from what they read as the formula that they are."""

from __future__ import annotations

import onnx_ir as ir

from tbft_export.graph.emitter import Emitter


class WriteOutOwnStatisticsPass(ir.passes.InPlacePass):
    """BatchNormalization whose mean and variance are no weights -> (x - mean) / √(variance + ε) * γ + β.

    So filters are standardised: `functional.batch_norm(weight, None, None, training=True)`. Such a norm has no running
    averages, and no mode of training changes it. One of images is refused ahead of this: it reads along the batch.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            if node.op_type == "BatchNormalization" and all(_is_computed(value) for value in node.inputs[3:5]):
                modified |= _write_out(Emitter(node))
        return ir.passes.PassResult(model, modified)


def _is_computed(value: ir.Value | None) -> bool:
    return value is not None and value.producer() is not None


def _write_out(emit: Emitter) -> bool:
    x, *channels = emit.node.inputs
    if x is None or x.shape is None:
        return False
    axes = list(range(1, len(x.shape) - 1))
    gamma, beta, mean, variance = (emit.op("Unsqueeze", value, axes) if axes else value for value in channels)
    epsilon = emit.node.attributes.get_float("epsilon", 1e-5)
    spread = emit.op("Sqrt", emit.op("Add", variance, epsilon))
    normalised = emit.op("Div", emit.op("Sub", x, mean), spread)
    emit.replace(emit.op("Add", emit.op("Mul", normalised, gamma), beta))
    return True
