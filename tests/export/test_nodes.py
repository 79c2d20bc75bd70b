"""Numbers among the operands of a node: the formulas of lowerings are written with them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from tbft_export.graph.builder import GraphBuilder, empty_graph
from tbft_export.graph.nodes import NodeWriter, Number, named_by_graph

FLOAT, INT = np.dtype(np.float32), np.dtype(np.int64)


@pytest.mark.parametrize(
    ("number", "dtype", "shape"),
    [
        (1.0, FLOAT, ()),
        (1, INT, ()),
        ([0.0, 1.0], FLOAT, (2,)),
        ([0, -1], INT, (2,)),
        ((2, 3), INT, (2,)),
        ([], INT, (0,)),
        (np.array(0.999), np.dtype(np.float64), ()),
        (np.zeros((1, 2), np.int32), np.dtype(np.int32), (1, 2)),
    ],
)
def test_a_number_has_the_type_that_it_is_written_with(number: Number, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """1.0 is for floats and 1 for shapes and axes; a scalar stays one, and an array keeps its type."""
    graph = empty_graph("numbers", [])
    value = GraphBuilder(graph).at("here").op("Identity", number).producer().inputs[0]
    assert value is graph.initializers["here#constant_1"]
    array = value.const_value.numpy()
    assert (array.dtype, array.shape, value.shape.numpy()) == (dtype, shape, shape)
    np.testing.assert_array_equal(array, np.asarray(number))


def test_truth_is_no_number() -> None:
    """A bool would pass for an int, where ONNX wants a tensor of its own type."""
    with pytest.raises(TypeError, match="neither a float nor an int"):
        GraphBuilder(empty_graph("numbers", [])).at("here").op("Not", True)


def test_nodes_of_one_graph_are_numbered_through() -> None:
    """Names are those of what is computed, and none comes twice."""
    graph = empty_graph("names", [ir.Value(name="x")])
    build = GraphBuilder(graph)
    y = build.at("first").op("Mul", graph.inputs[0], 2.0)
    build.at("second").op("Relu", y)
    build.at("first").op("Relu", y)
    assert [node.name for node in graph] == ["first#Mul_2", "second#Relu_3", "first#Relu_4"]
    assert [node.outputs[0].name for node in graph] == [node.name for node in graph]


def test_nodes_can_be_collected_first() -> None:
    """Then they belong to no graph until they are put where they should stand, which names them."""
    graph = empty_graph("later", [ir.Value(name="x")])
    nodes: list[ir.Node] = []
    first, second = NodeWriter(graph, named_by_graph, nodes.append).ops("Split", 2, graph.inputs[0])
    assert (list(graph), first.name, second.name) == ([], None, None)
    graph.extend(nodes)
    assert len({first.name, second.name} - {None}) == 2
