"""Weights that are not trained become initializers again; those that are come in a fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir

from tbft_artifacts.names import GRADIENT_SUFFIX, LABELS


class FreezeWeightsPass(ir.passes.InPlacePass):
    """Keep as graph inputs the activations, the labels and the trained parameters only.

    ORT's training graph takes every weight as an input. As an initializer, a frozen weight is packed
    and folded once, when the device loads the graph. Buffers and flags of ORT's accumulation go.
    """

    def __init__(self, weights: Mapping[str, ir.TensorProtocol], trainable: Sequence[str]) -> None:
        super().__init__()
        self.weights = weights
        self.trainable = trainable

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        modified = False
        for value in list(graph.inputs[1:]):  # The first input is the boundary activation.
            if value.name == LABELS or value.name in self.trainable:
                continue
            graph.inputs.remove(value)
            modified = True
            if value.name is not None and value.name in self.weights:
                value.const_value = self.weights[value.name]
                graph.register_initializer(value)
        self._sort(graph)
        return ir.passes.PassResult(model, modified)

    def _sort(self, graph: ir.Graph) -> None:
        """Parameters and their gradients in the order of `trainable`: ORT's order is that of a set."""
        inputs = {value.name: value for value in graph.inputs}
        fixed = [value for value in graph.inputs if value.name not in self.trainable]
        graph.inputs[:] = [*fixed, *(inputs[name] for name in self.trainable)]
        outputs = {value.name: value for value in graph.outputs}
        gradients = [f"{name}{GRADIENT_SUFFIX}" for name in self.trainable]
        fixed = [value for value in graph.outputs if value.name not in gradients]
        graph.outputs[:] = [*fixed, *(outputs[name] for name in gradients)]
