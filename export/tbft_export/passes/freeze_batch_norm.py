"""Write batch norms with fixed statistics as scale and shift, before the gradient is built."""

from __future__ import annotations

from collections.abc import Set

import onnx_ir as ir

from tbft_export.graph.emitter import Emitter


class FreezeBatchNormPass(ir.passes.InPlacePass):
    """BatchNormalization(x, gamma, beta, mean, var) -> Mul + Add with running statistics.

        inv_std = 1 / sqrt(var + epsilon)
        scale   = gamma * inv_std
        shift   = beta - mean * scale
        y       = x * scale + shift            (scale and shift per channel)

    ORT Training differentiates every BatchNormalization as if it used batch statistics. Written out,
    its gradient is that of fixed statistics: `d gamma = inv_std * (sum dy*x - mean * sum dy)`. What
    does not depend on a trained gamma or beta is folded by the device when it loads the graph.

    Behind a Conv of which nothing is trained, `x * scale` is the same Conv with scaled filters, which
    saves a pass over the image, and another one in the gradient.

    Norms whose running mean is named in `batch_statistics` stay what they are.
    """

    def __init__(self, trainable: Set[str], batch_statistics: Set[str] = frozenset()) -> None:
        super().__init__()
        self.trainable = trainable
        self.batch_statistics = batch_statistics

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            if node.op_type == "BatchNormalization" and running_mean(node) not in self.batch_statistics:
                self._rewrite(node)
                modified = True
        return ir.passes.PassResult(model, modified)

    def _rewrite(self, node: ir.Node) -> None:
        x, gamma, beta = node.inputs[:3]
        emit = Emitter(node)
        rank = 4 if x is None or x.shape is None else len(x.shape)
        per_channel = [1, -1] + [1] * (rank - 2)
        scale, shift = scale_and_shift(emit)
        conv = None if x is None else x.producer()
        if conv is not None and self._is_fixed(conv, gamma, beta):
            scaled = _scaled_conv(emit, conv, scale)
        else:
            scaled = emit.op("Mul", x, emit.op("Reshape", scale, per_channel))
        emit.replace(emit.op("Add", scaled, emit.op("Reshape", shift, per_channel)))
        if conv is not None and not conv.outputs[0].uses() and not conv.outputs[0].is_graph_output():
            emit.graph.remove(conv, safe=True)

    def _is_fixed(self, conv: ir.Node, gamma: ir.Value | None, beta: ir.Value | None) -> bool:
        """Whether nothing of `conv` and the norm is trained, and only the norm reads the Conv."""
        if conv.op_type != "Conv" or len(conv.inputs) != 2 or conv.outputs[0].is_graph_output():
            return False
        weights = (conv.inputs[1], gamma, beta)
        fixed = all(
            value is not None and value.is_initializer() and value.name not in self.trainable for value in weights
        )
        return fixed and len(conv.outputs[0].uses()) == 1


def scale_and_shift(emit: Emitter) -> tuple[ir.Value, ir.Value]:
    """What a BatchNormalization with given statistics multiplies by and adds, both (C,)."""
    _, gamma, beta, mean, variance = emit.node.inputs
    epsilon = emit.node.attributes.get_float("epsilon", 1e-5)
    inverse_std = emit.op("Reciprocal", emit.op("Sqrt", emit.op("Add", variance, epsilon)))
    scale = emit.op("Mul", gamma, inverse_std)
    return scale, emit.op("Sub", beta, emit.op("Mul", mean, scale))


def running_mean(norm: ir.Node) -> str:
    """The name of a BatchNormalization's running mean, by which plans name the norm."""
    mean = norm.inputs[3]
    return "" if mean is None else mean.name or ""


def _scaled_conv(emit: Emitter, conv: ir.Node, scale: ir.Value) -> ir.Value:
    x, w = conv.inputs
    rank = 4 if w is None or w.shape is None else len(w.shape)
    filters = emit.op("Mul", w, emit.op("Reshape", scale, [-1] + [1] * (rank - 1)))
    return emit.again([x, filters], like=conv)
