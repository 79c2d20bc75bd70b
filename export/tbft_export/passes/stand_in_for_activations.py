"""Let ReLU stand in for activations while ORT builds the gradient."""

from __future__ import annotations

import onnx_ir as ir

from tbft_export.graph.activations import mark_stand_in, read_activation


class StandInForActivationsPass(ir.passes.InPlacePass):
    """Each of `ACTIVATIONS` -> Relu with the same input and output.

    Each remembers what it stands for. ORT then emits `ReluGrad(dY, V)`, V being the input or the output.
    `RestoreActivationsPass` finds the activation by the name of its output, puts it back, and writes its
    own gradient. ORT itself has no gradient for most of them; that of Clip keeps its input and counts the
    bounds as inside.

    Two of one kind that read the same value become one. Where another kind, or a Relu, reads it too, each further one
    reads a copy of its own, for ORT would merge what looks equal.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            activation = read_activation(node) if node.graph is not None else None
            if activation is None:
                continue
            x = node.inputs[0]
            assert x is not None
            others = [use.node for use in x.uses() if use.node is not node]
            for other in others:
                if read_activation(other) == activation:
                    _merge(node, other)
            if any(other.op_type == "Relu" for other in others):  # Itself, or already in place of another one.
                node.replace_input_with(0, _copy(node, x))
            node.resize_inputs(1)
            node.attributes.clear()
            node.op_type = "Relu"
            mark_stand_in(node, activation)
            modified = True
        return ir.passes.PassResult(model, modified)


def _merge(node: ir.Node, other: ir.Node) -> None:
    """Let `node` take the place of `other`, the same activation of the same value."""
    ir.convenience.replace_all_uses_with(other.outputs[0], node.outputs[0])
    assert isinstance(other.graph, ir.Graph)
    other.graph.remove(other, safe=True)


def _copy(node: ir.Node, x: ir.Value) -> ir.Value:
    """A copy of `x` ahead of `node`, behind the copies that there are: equal ones would be merged, too."""
    assert isinstance(node.graph, ir.Graph)
    source = x
    while copies := [use.node for use in source.uses() if use.node.op_type == "Identity"]:
        source = copies[0].outputs[0]
    name = f"{source.name}.copy"
    copy = ir.Value(name=name, type=x.type, shape=x.shape)
    node.graph.insert_before(node, ir.Node("", "Identity", [source], outputs=[copy], name=name))
    return copy
