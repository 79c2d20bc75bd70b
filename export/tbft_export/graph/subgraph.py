"""Parts of a graph as graphs of their own."""

from __future__ import annotations

import onnx_ir as ir


def extract(model: ir.Model, start: ir.Value, *ends: ir.Value) -> ir.Model:
    """The part of `model` between `start` and `ends`, with the initializers that it reads."""
    graph = ir.convenience.extract(model.graph, [start], list(ends))
    # It collects initializers in a set, whose order changes from run to run; equal models give equal bundles.
    ordered = [graph.initializers[name] for name in model.graph.initializers if name in graph.initializers]
    graph.initializers.clear()
    for value in ordered:
        graph.register_initializer(value)
    return ir.Model(graph, ir_version=model.ir_version)


def value_named(graph: ir.Graph, name: str) -> ir.Value:
    """The input or the result of a node with this name. Raises KeyError for a name that none has."""
    for value in (*graph.inputs, *(output for node in graph for output in node.outputs)):
        if value.name == name:
            return value
    raise KeyError(name)


def image_shape(value: ir.Value) -> tuple[int, ...]:
    """The known dimensions behind the batch."""
    shape = value.shape
    assert shape is not None
    return tuple(int(dim) for dim in shape[1:] if isinstance(dim, int))
