"""What one axis of a Resize computes, as ONNX Runtime does it on the device."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tbft_export.graph.sessions import Session


def taps(node: ir.Node, before: int, after: int, scale: float | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs (places, weights), each (after,): y[j] = sum over the pairs of weights[j] * x[places[j]].

    One pair for the mode nearest, two for linear, up to four for cubic: the columns of the matrix that ONNX Runtime
    gives when it resizes the axis of an identity matrix. With `scale` None it is resized to `after`.
    """
    matrix = _resized_identity(node, before, after, scale)
    order = np.argsort(-np.abs(matrix), axis=0, kind="stable")
    count = max(1, int((matrix != 0).sum(axis=0).max()))
    places = [order[number] for number in range(count)]
    return [(each, matrix[each, np.arange(after)]) for each in places]


def _resized_identity(node: ir.Node, before: int, after: int, scale: float | None) -> np.ndarray:
    x = ir.Value(name="x", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([before, before]))
    y = ir.Value(name="y", type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([before, after]))
    size = np.array([before, after], np.int64) if scale is None else np.array([1, scale], np.float32)
    operand = ir.Value(name="size", const_value=ir.tensor(size, name="size"))
    operands = [x, None, None, operand] if scale is None else [x, None, operand]
    graph = ir.Graph(
        [x],
        [y],
        nodes=[ir.Node("", "Resize", operands, node.attributes.values(), outputs=[y])],
        initializers=[operand],
        opset_imports={"": 17},
        name="axis",
    )
    return Session.of(ir.Model(graph, ir_version=8)).run(np.eye(before, dtype=np.float32))


def is_scale(value: ir.Value) -> bool:
    """Whether `value` says by how much something is resized, by itself or as a part, and nothing else."""
    uses = list(value.uses())
    return bool(uses) and all(
        index > 0 if node.op_type == "Resize" else node.op_type == "Concat" and is_scale(node.outputs[0])
        for node, index in uses
    )
