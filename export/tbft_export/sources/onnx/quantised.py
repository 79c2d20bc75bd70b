"""Files in integer arithmetic: what is frozen stays so, and layers behind the last rounding are trained in float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.nodes import initializer
from tbft_export.graph.operands import constant_input

# Whose scales are found in each batch, so that an image's activations would depend on the others.
_DYNAMIC = frozenset({"ConvInteger", "DynamicQuantizeLinear", "MatMulInteger"})
_INTEGER = frozenset({"QLinearConv", "QLinearMatMul"})
_ROUNDS = "QuantizeLinear"
_RESTORES = "DequantizeLinear"


@dataclass(frozen=True)
class Quantised:
    """Which nodes round nothing on their way to the logits, and what is to be said; None of a file in floats."""

    free: frozenset[ir.Node]
    note: str


def check_arithmetic(graph: ir.Graph, name: str) -> None:
    """Raises TbftError for integer arithmetic other than `QuantizeLinear` and `DequantizeLinear` around layers."""
    kinds = {node.op_type for node in graph}
    if kinds & _DYNAMIC:
        raise TbftError(
            f"'{name}' is quantised dynamically ({', '.join(sorted(kinds & _DYNAMIC))}): what an image gives depends "
            "on the others of its batch",
            "give the float32 model that it was made from, or one with static quantisation (QDQ)",
        )
    if kinds & _INTEGER:
        raise TbftError(
            f"'{name}' computes in integers ({', '.join(sorted(kinds & _INTEGER))})",
            "give the float32 model that it was made from, or one in the QDQ format",
        )


def free_quantised(graph: ir.Graph) -> Quantised | None:
    """Let the layers behind the last rounding of activations have float32 weights; logits are not rounded.

    Everything before stays as it is. Where only weights are in integers, all become float32.
    """
    if not any(node.op_type == _RESTORES for node in graph):
        return None
    _leave_last_rounding(graph)
    free = _free_nodes(graph)
    restored = [node for node in free if node.op_type == _RESTORES and _restore(graph, node)]
    kept = any(node.op_type == _ROUNDS for node in graph)
    what = "its frozen part stays so, and only layers behind it can be trained" if kept else "it is trained in float32"
    return Quantised(frozenset(node for node in free if node not in restored), f"the file is quantised: {what}")


def _leave_last_rounding(graph: ir.Graph) -> None:
    """Logits, rounded at the very end, are those before."""
    output = graph.outputs[0]
    restores = output.producer()
    rounds = restores.inputs[0].producer() if restores is not None and restores.inputs[0] is not None else None
    if restores is None or rounds is None or (rounds.op_type, restores.op_type) != (_ROUNDS, _RESTORES):
        return
    source = rounds.inputs[0]
    assert source is not None
    source.shape, source.type = output.shape, output.type
    graph.outputs[0] = source
    if not output.uses():
        graph.remove(restores, safe=True)
    if not rounds.outputs[0].uses():
        graph.remove(rounds, safe=True)


def _free_nodes(graph: ir.Graph) -> frozenset[ir.Node]:
    """Nodes between the last rounding and the logits, and what restores their weights."""
    found: set[ir.Node] = set()
    waiting = [graph.outputs[0].producer()]
    while waiting:
        node = waiting.pop()
        if node is None or node in found or node.op_type == _ROUNDS:
            continue
        if node.op_type == _RESTORES and constant_input(node, 0) is None:
            continue
        found.add(node)
        waiting += [value.producer() for value in node.inputs if value is not None]
    # What something rounded reads, too, is no weight of layers behind.
    return frozenset(node for node in found if all(user in found for user, _ in node.outputs[0].uses()))


def _restore(graph: ir.Graph, node: ir.Node) -> bool:
    """Weights in integers -> the same in float32, under the name that they had."""
    values, scale, zero = (constant_input(node, index) for index in range(3))
    if values is None or scale is None:
        return False
    source, old = node.inputs[0], node.outputs[0]
    axis = node.attributes.get_int("axis", 1)
    floats = values.astype(np.float32)
    if zero is not None:
        floats = floats - _along(zero.astype(np.float32), axis, values.ndim)
    name = ("" if source is None else source.name or "").removesuffix("_quantized")
    if old.name == name:
        old.name = f"{name}.restored"
    if name in graph.initializers:
        name = f"{name}_float32"
    weight = initializer(graph, name, floats * _along(scale, axis, values.ndim))
    ir.convenience.replace_all_uses_with(old, weight)
    graph.remove(node, safe=True)
    return True


def _along(numbers: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """One number for all, or one for each place on an axis."""
    return numbers.reshape([-1 if each == axis % rank else 1 for each in range(rank)] if numbers.size > 1 else ())
