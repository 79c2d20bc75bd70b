"""Half, bfloat16 and double precision made float32, in which devices train."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

_ODD = frozenset({ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE})
# Attributes that name the type of what comes out.
_TYPES = ("to", "dtype", "output_dtype")


def use_float32(graph: ir.Graph) -> tuple[str, ...]:
    """Let every float in `graph`, branches included, be float32; says what was otherwise, if more than a number."""
    graphs, nodes = (graph, *graph.subgraphs()), list(graph.all_nodes())
    initializers = [value for each in graphs for value in each.initializers.values()]
    values = [*graph.inputs, *initializers, *(value for node in nodes for value in node.outputs)]
    # A single number, such as an epsilon, may have any type.
    large = {
        value.dtype
        for value in (*values, *graph.outputs)
        if value.dtype in _ODD and value.shape is not None and len(value.shape)
    }
    for value in initializers:
        if value.dtype in _ODD and value.const_value is not None:
            value.const_value = _float32(value.const_value)
    for value in values:
        if value.dtype in _ODD:
            value.dtype = ir.DataType.FLOAT
    for node in nodes:
        _convert(node)
    names = " and ".join(sorted(dtype.name.lower() for dtype in large if dtype is not None))
    return (f"numbers of the file that are {names} were made float32",) if names else ()


def leave_casts(graph: ir.Graph) -> None:
    """Conversions from float32 to float32 go, those to the type of a float32 value are to float32."""
    for node in list(graph):
        source = node.inputs[0] if node.inputs else None
        if node.op_type == "CastLike" and node.inputs[1] is not None and node.inputs[1].dtype == ir.DataType.FLOAT:
            node.op_type = "Cast"
            node.resize_inputs(1)
            node.attributes["to"] = ir.AttrInt64("to", int(ir.DataType.FLOAT))
        to = node.attributes.get_int("to", 0) if node.op_type == "Cast" else 0
        if to == ir.DataType.FLOAT and source is not None and source.dtype == ir.DataType.FLOAT:
            _skip(graph, node, source)


def _convert(node: ir.Node) -> None:
    """Attributes that are odd floats, or name their types."""
    for name in _TYPES:
        if ir.DataType(node.attributes.get_int(name, 0)) in _ODD:
            node.attributes[name] = ir.AttrInt64(name, int(ir.DataType.FLOAT))
    for name, attribute in list(node.attributes.items()):
        tensor = attribute.value if attribute.type == ir.AttributeType.TENSOR else None
        if tensor is not None and tensor.dtype in _ODD:
            node.attributes[name] = ir.AttrTensor(name, _float32(tensor))


def _skip(graph: ir.Graph, cast: ir.Node, source: ir.Value) -> None:
    output = cast.outputs[0]
    if output.is_graph_output():
        if source.is_graph_input() or source.is_initializer() or source.is_graph_output():
            return
        output.name, source.name = f"{output.name}.cast", output.name
        source.shape = output.shape
    ir.convenience.replace_all_uses_with(output, source, replace_graph_outputs=True)
    graph.remove(cast, safe=True)


def _float32(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    return ir.tensor(tensor.numpy().astype(np.float32), name=tensor.name)
