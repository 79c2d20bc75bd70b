"""Write activations with operators for which ORT Training has gradients and kernels."""

from __future__ import annotations

import onnx_ir as ir

from tbft_export.graph.activations import read_activation
from tbft_export.graph.emitter import Emitter


class WriteOutActivationsPass(ir.passes.InPlacePass):
    """Each of `ACTIVATIONS` -> its form of Relu, Mul, Exp and others, for ORT Training's own artifacts.

    ORT Training has no gradient for most of them, and its gradient of Clip counts the bounds as inside, where
    PyTorch's of ReLU6 has them outside; `relu6(x) = 6 - relu(6 - relu(x))` has them outside.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            activation = read_activation(node)
            if activation is None:
                continue
            emit = Emitter(node)
            x = node.inputs[0]
            assert x is not None
            emit.replace(activation.kind.written_out(emit, x, activation.attributes))
            modified = True
        return ir.passes.PassResult(model, modified)
