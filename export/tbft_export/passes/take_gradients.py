"""Turn gradient accumulation buffers into explicit gradient outputs."""

from __future__ import annotations

import onnx_ir as ir


class TakeGradientsPass(ir.passes.InPlacePass):
    """InPlaceAccumulatorV2(buffer, gradient, reset) -> the gradient itself, as a graph output.

    The graph then has no hidden state: who runs it may accumulate, compare or drop gradients. The
    output of parameter `p` is named `p_grad`.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        modified = False
        for node in list(graph):
            if node.op_type != "InPlaceAccumulatorV2":
                continue
            buffer, gradient, _ = node.inputs
            assert buffer is not None
            assert gradient is not None
            accumulated = node.outputs[0]
            graph.outputs[graph.outputs.index(accumulated)] = gradient
            gradient.shape, gradient.type = buffer.shape, buffer.type
            graph.remove(node, safe=True)
            modified = True
        return ir.passes.PassResult(model, modified)
