"""Train rows of convolution weights that a device chooses, instead of whole weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from tbft_artifacts.names import GRADIENT_SUFFIX, ORIGIN_END
from tbft_artifacts.sparse import SparseLayer
from tbft_export.convolutions.sparse import chosen_rows, find_weight_gradient
from tbft_export.graph.activations import GRADIENT_DOMAIN
from tbft_export.graph.builder import graph_input
from tbft_export.graph.nodes import NodeWriter, initializer, named_after
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
            rows = graph_input(layer.rows, [chosen_rows(layer), *layer.shape[1:]])
            channels = graph_input(layer.channels, [chosen_rows(layer)], ir.DataType.INT64)
            model.graph.inputs.extend((rows, channels))
            _take_rows(model.graph, layer, channels)
            _put_rows(model.graph, layer, self.weights[layer.weight], rows, channels)
        return ir.passes.PassResult(model, bool(self.layers))


def _put_rows(
    graph: ir.Graph, layer: SparseLayer, tensor: ir.TensorProtocol, rows: ir.Value, channels: ir.Value
) -> None:
    """Freeze the weight, and let everyone read it with the rows in it."""
    weight = next(value for value in graph.inputs if value.name == layer.weight)
    nodes: list[ir.Node] = []
    readers = list(weight.uses())
    emit = NodeWriter(graph, named_after(readers[0].node.name or ""), nodes.append)
    graph.inputs.remove(weight)
    weight.const_value = tensor
    graph.register_initializer(weight)
    axis = initializer(graph, f"{layer.channels}{ORIGIN_END}axis", [1])
    indices = emit.op("Unsqueeze", channels, axis)
    indices.name = f"{layer.channels}{ORIGIN_END}indices"
    merged = emit.op("ScatterND", weight, indices, rows)
    merged.name, merged.shape, merged.type = f"{layer.weight}{ORIGIN_END}merged", weight.shape, weight.type
    for reader in readers:
        reader.node.replace_input_with(reader.idx, merged)
    graph.insert_before(graph[0], nodes)


def _take_rows(graph: ir.Graph, layer: SparseLayer, channels: ir.Value) -> None:
    """Make the gradient of the chosen rows an output, instead of the whole weight's."""
    found = find_weight_gradient(graph, layer.weight)
    nodes: list[ir.Node] = []
    emit = NodeWriter(graph, named_after(found.node.name or ""), nodes.append)
    operands = (*found.node.inputs[:3], channels)
    gradient = emit.write(CONV_ROWS_GRAD, operands, found.node.attributes.values(), domain=GRADIENT_DOMAIN)
    rows = gradient.outputs[0]
    if found.scale is not None:
        emit = NodeWriter(graph, named_after(gradient.name or ""), nodes.append)
        rows.name = f"{layer.rows}{ORIGIN_END}unscaled"
        scale = emit.op("Gather", found.scale, channels, axis=0)
        scale.name = f"{layer.rows}{ORIGIN_END}scale"
        rows = emit.op("Mul", rows, scale)
    rows.name, rows.dtype = f"{layer.rows}{GRADIENT_SUFFIX}", ir.DataType.FLOAT
    rows.shape = ir.Shape([chosen_rows(layer), *layer.shape[1:]])
    graph.insert_after(found.node, nodes)
    whole = next(output for output in graph.outputs if output.name == f"{layer.weight}{GRADIENT_SUFFIX}")
    graph.outputs[graph.outputs.index(whole)] = rows
