"""Remove what only matters while the source model is trained elsewhere."""

from __future__ import annotations

import onnx_ir as ir


class RemoveTrainingLeftoversPass(ir.passes.InPlacePass):
    """Make the forward graph that of inference, with every parameter read directly.

    1. Dropout(x) -> x.
    2. Identity(x) -> x, also where x is an initializer: a copy would hide whose parameter it is.
    3. BatchNormalization keeps its first output and loses `training_mode`, where its averages are initializers: one
       whose averages are computed has none to use instead of its input's own.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        modified = False
        for node in list(graph):
            if node.op_type in ("Dropout", "Identity"):  # Cases 1 and 2
                x, y = node.inputs[0], node.outputs[0]
                if x is None or y.is_graph_output():
                    continue
                ir.convenience.replace_all_uses_with(y, x)
                graph.remove(node, safe=True)
                modified = True
            elif node.op_type == "BatchNormalization" and _keeps_averages(node):  # Case 3
                modified |= node.attributes.pop("training_mode", None) is not None
                if len(node.outputs) > 1:
                    node.resize_outputs(1)
                    modified = True
        return ir.passes.PassResult(model, modified)


def _keeps_averages(norm: ir.Node) -> bool:
    return all(value is not None and (value.is_initializer() or value.is_graph_input()) for value in norm.inputs[3:5])
