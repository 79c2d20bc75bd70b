"""Train rows of convolution weights that a device chooses, instead of whole weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from tbft_artifacts.names import GRADIENT_SUFFIX, ORIGIN_END
from tbft_artifacts.sparse import SparseLayer
from tbft_export.convolutions.sparse import chosen, find_weight_gradient
from tbft_export.graph.activations import GRADIENT_DOMAIN
from tbft_export.lowerings.conv_rows import CONV_ROWS_GRAD


class TrainRowsPass(ir.passes.InPlacePass):
    """Input W and output `W_grad` of each layer -> inputs `W.rows`, `W.channels` and output `W.rows_grad`.

        W         = ScatterND(W as an initializer, channels, rows)
        rows_grad = dW[channels], by ConvRowsGrad: the other rows' gradient is not computed

    Where the scale of a frozen batch norm stands between weight and convolution, the rows' gradient is scaled by the
    chosen entries. Needs Identities gone; leaves the whole gradients unused.
    """

    def __init__(self, layers: Sequence[SparseLayer], weights: Mapping[str, ir.TensorProtocol]) -> None:
        super().__init__()
        self.layers = layers
        self.weights = weights

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        for layer in self.layers:
            rows = _input(model.graph, layer.rows, [chosen(layer), *layer.shape[1:]], ir.DataType.FLOAT)
            channels = _input(model.graph, layer.channels, [chosen(layer)], ir.DataType.INT64)
            _take_rows(model.graph, layer, channels)
            _put_rows(model.graph, layer, self.weights[layer.weight], rows, channels)
        return ir.passes.PassResult(model, bool(self.layers))


def _input(graph: ir.Graph, name: str, shape: Sequence[int | str], dtype: ir.DataType) -> ir.Value:
    value = ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))
    graph.inputs.append(value)
    return value


def _put_rows(
    graph: ir.Graph, layer: SparseLayer, tensor: ir.TensorProtocol, rows: ir.Value, channels: ir.Value
) -> None:
    """Freeze the weight, and let everyone read it with the rows in it."""
    weight = next(value for value in graph.inputs if value.name == layer.weight)
    tape = ir.tape.Tape()
    merged = ir.Value(name=f"{layer.weight}{ORIGIN_END}merged", shape=weight.shape, type=weight.type)
    reader = next(iter(weight.uses())).node.name
    ir.convenience.replace_all_uses_with(weight, merged)
    axis = tape.initializer(ir.tensor(np.array([1], np.int64), name=f"{layer.channels}{ORIGIN_END}axis"))
    indices = tape.op("Unsqueeze", [channels, axis], name=f"{reader}{ORIGIN_END}Unsqueeze")
    indices.name = f"{layer.channels}{ORIGIN_END}indices"
    tape.op("ScatterND", [weight, indices, rows], name=f"{reader}{ORIGIN_END}ScatterND", output=merged)
    graph.inputs.remove(weight)
    weight.const_value = tensor
    for initializer in (weight, axis):
        graph.register_initializer(initializer)
    graph.insert_before(graph[0], tape.nodes)


def _take_rows(graph: ir.Graph, layer: SparseLayer, channels: ir.Value) -> None:
    """Make the gradient of the chosen rows an output, instead of the whole weight's."""
    found = find_weight_gradient(graph, layer.weight)
    tape = ir.tape.Tape()
    name = f"{found.node.name}{ORIGIN_END}{CONV_ROWS_GRAD}"
    dy, x, filters = found.node.inputs[:3]
    rows = tape.op(CONV_ROWS_GRAD, [dy, x, filters, channels], found.node.attributes, domain=GRADIENT_DOMAIN, name=name)
    if found.scale is not None:
        rows.name = f"{layer.rows}{ORIGIN_END}unscaled"
        scale = tape.op("Gather", [found.scale, channels], {"axis": 0}, name=f"{name}{ORIGIN_END}Gather")
        scale.name = f"{layer.rows}{ORIGIN_END}scale"
        rows = tape.op("Mul", [rows, scale], name=f"{name}{ORIGIN_END}Mul")
    rows.name, rows.dtype = f"{layer.rows}{GRADIENT_SUFFIX}", ir.DataType.FLOAT
    rows.shape = ir.Shape([chosen(layer), *layer.shape[1:]])
    graph.insert_after(found.node, tape.nodes)
    whole = next(output for output in graph.outputs if output.name == f"{layer.weight}{GRADIENT_SUFFIX}")
    graph.outputs[graph.outputs.index(whole)] = rows
