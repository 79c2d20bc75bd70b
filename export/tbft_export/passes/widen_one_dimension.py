"""Write layers of signals (N, C, L) as layers of images (N, C, 1, L), before the gradient is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import onnx_ir as ir

from tbft_export.graph.behind import nodes_behind
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.operands import has_static_shape

# Which operands of each have a length, beside the signal itself.
_LAYERS: Mapping[str, Sequence[int]] = {"AveragePool": (), "Conv": (1,), "ConvTranspose": (1,), "MaxPool": ()}
_HEIGHT = [2]
# What each attribute says of an axis of height 1: a kernel of 1 that pads nothing.
_OF_HEIGHT = {"dilations": 1, "kernel_shape": 1, "output_padding": 0, "strides": 1}


class WidenOneDimensionPass(ir.passes.InPlacePass):
    """layer(x (N, C, L), w (K, C, k)) -> squeeze(layer(unsqueeze(x) (N, C, 1, L), unsqueeze(w) (K, C, 1, k))).

    For Conv, ConvTranspose, MaxPool and AveragePool behind a trained parameter: the lowerings know images. The weights
    stay what they are; their gradient loses its height on the way. Between two such layers the signal keeps it.
    """

    def __init__(self, trainable: Set[str]) -> None:
        super().__init__()
        self.trainable = trainable

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in nodes_behind(model.graph, self.trainable):
            if _is_of_signals(node):
                _widen(node)
                modified = True
        return ir.passes.PassResult(model, modified)


def _is_of_signals(node: ir.Node) -> bool:
    return (
        node.op_type in _LAYERS
        and node.domain in ("", "ai.onnx")
        and len(node.outputs) == 1
        and has_static_shape(node.inputs[0], 3)
    )


def _widen(node: ir.Node) -> None:
    emit = Emitter(node)
    operands = list(node.inputs)
    operands[0] = _widened(emit, node.inputs[0])
    for index in _LAYERS[node.op_type]:
        operands[index] = _widened(emit, node.inputs[index])
    y = emit.again(operands)
    written = y.producer()
    assert written is not None
    for name, value in _OF_HEIGHT.items():
        if name in node.attributes:
            written.attributes[name] = ir.AttrInt64s(name, [value, *node.attributes[name].as_ints()])
    if "pads" in node.attributes:
        begin, end = node.attributes["pads"].as_ints()
        written.attributes["pads"] = ir.AttrInt64s("pads", [0, begin, 0, end])
    y.shape = _with_height(node.outputs[0].shape)
    y.type = node.outputs[0].type
    emit.replace(emit.op("Squeeze", y, _HEIGHT))


def _widened(emit: Emitter, value: ir.Value | None) -> ir.Value | None:
    """With a height; of what another layer gave with one, that."""
    assert value is not None
    producer = value.producer()
    if producer is not None and producer.op_type == "Squeeze":
        source, taken = producer.inputs[:2]
        constant = None if taken is None else ir.convenience.get_const_tensor(taken)
        if constant is not None and constant.numpy().tolist() == _HEIGHT and has_static_shape(source, 4):
            return source
    wide = emit.op("Unsqueeze", value, _HEIGHT)
    wide.shape, wide.type = _with_height(value.shape), value.type
    return wide


def _with_height(shape: ir.Shape | None) -> ir.Shape | None:
    return None if shape is None else ir.Shape([*shape[:2], 1, *shape[2:]])
