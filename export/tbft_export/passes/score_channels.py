"""Score the output channels of convolutions by Fisher information, instead of training anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from tbft_artifacts.names import LABELS, ORIGIN_END
from tbft_artifacts.sparse import SparseLayer
from tbft_export.convolutions.sparse import find_weight_gradient


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
        tape = ir.tape.Tape(graph)
        images = tape.op("Cast", [tape.op("Size", [labels])], {"to": int(ir.DataType.FLOAT)})
        half = tape.op("Mul", [images, _constant(tape, "half", np.array(0.5, np.float32))])
        image_axis = _constant(tape, "image_axis", np.array([0], np.int64))
        pixel_axes = _constant(tape, "pixel_axes", np.array([2, 3], np.int64))
        scores = []
        for layer in self.layers:
            node = find_weight_gradient(graph, layer.weight).node
            products = tape.op("Mul", [_output(node), node.inputs[0]])
            of_image = tape.op("ReduceSum", [products, pixel_axes], {"keepdims": 0})
            squares = tape.op("Mul", [of_image, of_image])
            # With the mean loss's gradient g / N:  1 / (2N) * (N a g / N)^2  is  N / 2 * (a g / N)^2.
            score = tape.op("Mul", [tape.op("ReduceSum", [squares, image_axis], {"keepdims": 0}), half])
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


def _constant(tape: ir.tape.Tape, name: str, array: np.ndarray) -> ir.Value:
    return tape.initializer(ir.tensor(array, name=f"fisher{ORIGIN_END}{name}"))
