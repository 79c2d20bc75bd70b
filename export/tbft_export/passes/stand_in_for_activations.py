"""Let ReLU stand in for activations while ORT builds the gradient."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.activations import Activation, mark_stand_in, read_activation


class StandInForActivationsPass(ir.passes.InPlacePass):
    """ReLU6, hard-swish and hard-sigmoid -> Relu with the same input and output.

    Each remembers what it stands for. ORT then emits `ReluGrad(dY, V)`, V being the input or the output.
    `RestoreActivationsPass` finds the activation by the name of its output, puts it back, and writes its
    own gradient. ORT itself has no gradient for the last two; that of Clip keeps its input and counts the
    bounds as inside.

    Two of one kind that read the same value become one. Raises TbftError where another kind, or a Relu,
    reads it too: ORT would merge what looks equal.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            activation = read_activation(node) if node.graph is not None else None
            if activation is None:
                continue
            x = node.inputs[0]
            assert x is not None
            for other in [use.node for use in x.uses() if use.node is not node]:
                _merge(node, activation, other)
            node.resize_inputs(1)
            node.attributes.clear()
            node.op_type = "Relu"
            mark_stand_in(node, activation)
            modified = True
        return ir.passes.PassResult(model, modified)


def _merge(node: ir.Node, activation: Activation, other: ir.Node) -> None:
    """Let `node` take the place of `other`, which reads the same value, if that is the same activation."""
    if read_activation(other) == activation:
        ir.convenience.replace_all_uses_with(other.outputs[0], node.outputs[0])
        assert isinstance(other.graph, ir.Graph)
        other.graph.remove(other, safe=True)
    elif other.op_type == "Relu" or read_activation(other) is not None:
        raise TbftError(
            f"nodes '{node.name}' and '{other.name}' are different activations of one value",
            "train a block behind them",
        )
