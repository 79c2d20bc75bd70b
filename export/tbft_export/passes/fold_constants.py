"""Evaluate nodes whose inputs are all constants, so that shape arithmetic becomes plain tensors."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from tbft_export.graph.nodes import initializer

# Anything larger is data, not shape arithmetic, and would only make the graph file bigger.
LARGEST_FOLDED = 4096
# How names of what was folded end.
FOLDED = "_folded"


class FoldConstantsPass(ir.passes.InPlacePass):
    """Replace every node that depends on nothing but constants by its value.

    1. `Constant` nodes become initializers.
    2. `Shape` of a value whose selected dimensions are all static becomes an initializer.
    3. A node whose inputs are all initializers that are not weights becomes an initializer, if the
       result has at most `LARGEST_FOLDED` elements.

    Weights in integers stay so: `DequantizeLinear` is what tells ONNX Runtime that it may compute in them.

    `weights` names the initializers that a device may replace; they are never folded.
    """

    def __init__(self, weights: frozenset[str]) -> None:
        super().__init__()
        self.weights = weights

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            values = self._constant_outputs(node)
            if values is None:
                continue
            for output, value in zip(node.outputs, values, strict=True):
                self._replace_by_constant(model.graph, output, value)
            if not any(output.is_graph_output() for output in node.outputs):
                model.graph.remove(node, safe=True)
                modified = True
        return ir.passes.PassResult(model, modified)

    def _constant_outputs(self, node: ir.Node) -> list[np.ndarray] | None:
        if node.domain not in ("", "ai.onnx") or any(output.is_graph_output() for output in node.outputs):
            return None
        if node.op_type == "DequantizeLinear" or any(
            each.type == ir.AttributeType.GRAPH for each in node.attributes.values()
        ):
            return None  # A branch reads values that are no inputs of the node.
        if node.op_type == "Constant":  # Case 1
            constant = ir.convenience.get_const_tensor(node.outputs[0])
            return None if constant is None else [constant.numpy()]
        if node.op_type == "Shape":  # Case 2
            dims = _static_dims(node)
            if dims is not None:
                return [np.array(dims, np.int64)]
        inputs = [self._constant(value) for value in node.inputs if value is not None]
        if not inputs or any(value is None for value in inputs):
            return None
        outputs = _evaluate(node, [value for value in inputs if value is not None])  # Case 3
        return outputs if all(output.size <= LARGEST_FOLDED for output in outputs) else None

    def _constant(self, value: ir.Value) -> np.ndarray | None:
        if value.is_graph_input() or value.name in self.weights or value.const_value is None:
            return None
        return value.const_value.numpy()

    def _replace_by_constant(self, graph: ir.Graph, output: ir.Value, value: np.ndarray) -> None:
        constant = initializer(graph, f"{output.name}{FOLDED}", value)
        ir.convenience.replace_all_uses_with(output, constant)


def _static_dims(node: ir.Node) -> list[int] | None:
    source = node.inputs[0]
    if source is None or source.shape is None:
        return None
    start = node.attributes.get_int("start", 0)
    end = node.attributes.get_int("end", len(source.shape))
    dims = [dim for dim in source.shape[start:end] if isinstance(dim, int)]
    return dims if len(dims) == len(source.shape[start:end]) else None


def _evaluate(node: ir.Node, inputs: list[np.ndarray]) -> list[np.ndarray]:
    version = node.version or (node.graph.opset_imports.get("") if isinstance(node.graph, ir.Graph) else None)
    proto = ir.to_proto(node)
    # `onnx.helper.make_graph` wants the names that are really fed; skipped inputs have the name "".
    names = [name for name in proto.input if name]
    graph = onnx.helper.make_graph(
        [proto],
        "folded",
        [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in dict(zip(names, inputs, strict=True)).items()
        ],
        [onnx.helper.make_empty_tensor_value_info(name) for name in proto.output],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", version or 17)])
    results = ReferenceEvaluator(model).run(None, dict(zip(names, inputs, strict=True)))
    return [np.asarray(result) for result in results]
