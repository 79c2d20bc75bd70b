"""Score the output channels of convolutions by Fisher information, instead of training anything."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from tbft_artifacts.names import LABELS, ORIGIN_END
from tbft_artifacts.sparse import SparseLayer
from tbft_export.convolutions.sparse import find_weight_gradient
from tbft_export.graph.nodes import NodeWriter, initializer, named_by_graph


class ScoreChannelsPass(ir.passes.InPlacePass):
    """Replace every output by `W.fisher` (K,) of each layer; the weights' gradients are left unused.

    With the convolution's output a (N, K, Ho, Wo) and the gradient g of image n's own loss at it, which is N times that
    of the batch's mean loss (TinyTrain, ICML 2024, arXiv 2307.09988, equation 2):

        fisher[o] = 1 / (2N) * sum over n of ( sum over pixels of a[n, o] * g[n, o] )^2

    So the score of a batch is the mean of its parts' scores, weighted by their images. Where the scale s of a frozen
    batch norm was multiplied into the filters, s*a meets g/s: the product is the same.
    """

    def __init__(self, layers: Sequence[SparseLayer]) -> None:
        super().__init__()
        self.layers = layers

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        labels = next(value for value in graph.inputs if value.name == LABELS)
        emit = NodeWriter(graph, named_by_graph)
        images = emit.cast(emit.op("Size", labels), ir.DataType.FLOAT)
        half = emit.op("Mul", images, initializer(graph, f"fisher{ORIGIN_END}half", 0.5))
        image_axis = initializer(graph, f"fisher{ORIGIN_END}image_axis", [0])
        pixel_axes = initializer(graph, f"fisher{ORIGIN_END}pixel_axes", [2, 3])
        scores = []
        for layer in self.layers:
            node = find_weight_gradient(graph, layer.weight).node
            products = emit.op("Mul", _output(node), node.inputs[0])
            of_image = emit.op("ReduceSum", products, pixel_axes, keepdims=0)
            squares = emit.op("Mul", of_image, of_image)
            # With the mean loss's gradient g / N:  1 / (2N) * (N a g / N)^2  is  N / 2 * (a g / N)^2.
            score = emit.op("Mul", emit.op("ReduceSum", squares, image_axis, keepdims=0), half)
            score.name, score.shape, score.dtype = layer.fisher, ir.Shape([layer.shape[0]]), ir.DataType.FLOAT
            scores.append(score)
        graph.outputs[:] = scores
        return ir.passes.PassResult(model, True)


def _output(gradient: ir.Node) -> ir.Value:
    """What the convolution gives that the ConvGrad `gradient` differentiates."""
    x, filters = gradient.inputs[1:3]
    assert x is not None
    return next(
        use.node.outputs[0]
        for use in x.uses()
        if use.node.op_type == "Conv" and use.node.inputs[0] is x and use.node.inputs[1] is filters
    )
