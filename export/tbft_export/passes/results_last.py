"""Let gradients be computed as soon as they can be, so that what they are made of need not be kept."""

from __future__ import annotations

import onnx_ir as ir


class ResultsLastPass(ir.passes.InPlacePass):
    """Move the nodes that nothing reads to the end, those with the longest way to them first.

    ONNX Runtime begins with the last node of a file that nothing reads, and computes what that one needs
    (`execution_order`). In the order of a backward pass the last one is the gradient nearest the input, which needs
    the whole chain: all gradients of activations would be there, and be kept, before the first gradient of a
    parameter is computed. In this order each parameter's gradient comes as soon as the chain has reached its
    layer. The graph has to be sorted topologically.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        # One bit per node, so that what two ways share is counted once.
        ancestors: dict[ir.Node, int] = {}
        for index, node in enumerate(graph):
            before = {value.producer() for value in node.inputs if value is not None} - {None}
            ancestors[node] = 1 << index
            for each in before:
                if each is not None:
                    ancestors[node] |= ancestors[each]
        results = [node for node in graph if not any(value.uses() for value in node.outputs)]
        order = sorted(results, key=lambda node: -ancestors[node].bit_count())
        for node in order:
            graph.remove(node)
            graph.append(node)
        return ir.passes.PassResult(model, order != results)
