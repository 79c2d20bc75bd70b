"""What a forward graph is, and the names of its input, output and batch."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

OPSET = 17
IR_VERSION = 8
BATCH = "batch"
IMAGES = "images"


@dataclass(frozen=True)
class ForwardModel:
    """The forward graph (batch, C, H, W) float32 `images` -> (batch, classes) `logits`.

    `weights` names the initializers that come from the trained model: its parameters and the running statistics of
    batch norms. Everything else is a constant of the graph. Those of `fixed` are never trained: their owner froze
    them, or they normalise the input.
    """

    model: ir.Model
    weights: frozenset[str]
    fixed: frozenset[str] = frozenset()

    @property
    def graph(self) -> ir.Graph:
        return self.model.graph

    @property
    def trainable(self) -> frozenset[str]:
        """The weights that may be trained, and running statistics."""
        return self.weights - self.fixed

    def tensor(self, name: str) -> ir.TensorProtocol:
        """The values of a weight. Raises KeyError for a name that no initializer has."""
        tensor = self.graph.initializers[name].const_value
        assert tensor is not None
        return tensor
