"""Batch norms with fixed statistics become part of a convolution, which an integer kernel can compute."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tbft_export.graph.emitter import Emitter


class FoldBatchNormPass(ir.passes.InPlacePass):
    """BatchNormalization(x, gamma, beta, mean, var) -> the weights and the bias of a Conv.

        scale = gamma / sqrt(var + epsilon)
        shift = beta - mean * scale

    1. `x` comes from a Conv and nothing else uses it: `W' = W * scale`, `b' = b * scale + shift`, per
       output channel.
    2. Otherwise, as ahead of a pre-activation block: a depthwise 1x1 Conv with weights `scale` and bias
       `shift`. With one weight per channel and a scale for each, quantising those weights loses nothing.

    A batch norm whose input is no image, or whose weights are not known, stays as it is.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            if node.op_type == "BatchNormalization" and _can_fold(node):
                _fold(node)
                modified = True
        return ir.passes.PassResult(model, modified)


def _can_fold(node: ir.Node) -> bool:
    x, *parameters = node.inputs
    rank = None if x is None or x.shape is None else len(x.shape)
    return rank == 4 and all(_array(value) is not None for value in parameters)


def _fold(node: ir.Node) -> None:
    x = node.inputs[0]
    assert x is not None
    gamma, beta, mean, variance = (_known(value) for value in node.inputs[1:])
    scale = gamma / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    shift = beta - mean * scale
    emit = Emitter(node)
    conv = _foldable_conv(x)
    if conv is None:  # Case 2
        weight = scale.reshape(-1, 1, 1, 1).astype(np.float32)
        emit.replace(emit.op("Conv", x, weight, shift.astype(np.float32), group=len(scale), kernel_shape=[1, 1]))
        return
    weight = _known(conv.inputs[1])  # Case 1
    weight = (weight * scale.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.float32)
    bias = _known(conv.inputs[2]) if len(conv.inputs) > 2 else 0.0
    emit.replace(emit.again([conv.inputs[0], weight, (bias * scale + shift).astype(np.float32)], like=conv))
    emit.graph.remove(conv, safe=True)


def _foldable_conv(x: ir.Value) -> ir.Node | None:
    """The Conv with known weights that makes `x` for one user alone."""
    conv = x.producer()
    if conv is None or conv.op_type != "Conv" or x.is_graph_output() or len(x.uses()) != 1:
        return None
    return conv if all(_array(value) is not None for value in conv.inputs[1:]) else None


def _array(value: ir.Value | None) -> np.ndarray | None:
    tensor = None if value is None else value.const_value
    return None if tensor is None else tensor.numpy()


def _known(value: ir.Value | None) -> np.ndarray:
    """In double: the product is rounded once."""
    array = _array(value)
    assert array is not None
    return array.astype(np.float64)
