"""Give each reader of an activation that needs no gradient a copy of its own."""

from __future__ import annotations

from collections.abc import Mapping, Set

import onnx_ir as ir

from tbft_export.graph.behind import nodes_behind

# Whoever reads an activation through these, ORT writes a gradient for it, asked or not.
_WRITERS = ("BatchNormalization", "Concat")


class SeparateReadersPass(ir.passes.InPlacePass):
    """f(x), g(x) -> f(Identity(x)), g(Identity(x)), where ORT would write the gradient of x twice.

    ORT Training sums the gradients of an activation that needs one. For one that needs none (the boundary, a frozen
    branch) it lets a batch norm and a Concat write theirs all the same, each under the same name: in a DenseNet, where
    what was made before goes into a norm and, as it is, into the Concat behind it. Nobody reads those gradients; with
    copies they have names of their own, and are removed with the copies. A Concat of one activation (the first of a
    torchvision DenseNet's block) is that activation.

    Of parameters that `trainable` names, and of all that depends on them, gradients are needed.
    """

    def __init__(self, trainable: Set[str]) -> None:
        super().__init__()
        self.trainable = trainable

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        needed = {output for node in nodes_behind(model.graph, self.trainable) for output in node.outputs}
        values = [*model.graph.inputs, *(output for node in model.graph for output in node.outputs)]
        written_twice = [value for value in values if value not in needed and len(_writers(value)) > 1]
        order = {node: index for index, node in enumerate(model.graph)}
        for value in written_twice:
            _separate(model.graph, value, order)
        return ir.passes.PassResult(model, bool(written_twice))


def _writers(value: ir.Value) -> list[ir.Node]:
    """The nodes that would write a gradient of `value`, one for each time that they read it."""
    readers = [use.node for use in value.uses()]
    found = [node for node in readers if node.op_type in _WRITERS and not _is_of_one(node)]
    return found + [writer for node in readers if _is_of_one(node) for writer in _writers(node.outputs[0])]


def _is_of_one(node: ir.Node) -> bool:
    return node.op_type == "Concat" and len(node.inputs) == 1 and not node.outputs[0].is_graph_output()


def _separate(graph: ir.Graph, value: ir.Value, order: Mapping[ir.Node, int]) -> None:
    """The copies are copies of each other: ORT would merge nodes that are the same."""
    for node in [use.node for use in value.uses() if _is_of_one(use.node)]:
        ir.convenience.replace_all_uses_with(node.outputs[0], value)
        graph.remove(node, safe=True)
    source = value
    for number, (node, index) in enumerate(sorted(value.uses(), key=lambda use: (order[use.node], use.idx))):
        if node.op_type in _WRITERS:
            name = f"{value.name}.copy{number}"
            copy = ir.Value(name=name, type=value.type, shape=value.shape)
            graph.insert_before(node, ir.Node("", "Identity", [source], outputs=[copy], name=name))
            node.replace_input_with(index, copy)
            source = copy
