"""Keep of a choice that is made already the branch that is taken."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common

from tbft_export.graph.operands import constant_input
from tbft_export.passes.fold_constants import FoldConstantsPass


class TakeBranchesPass(ir.passes.InPlacePass):
    """If(constant) -> the nodes of its branch.

    PyTorch's exporter writes `squeeze(1)` so where it does not know the size when it gets there; it is known as soon as
    shapes are. A choice that depends on the images stays, and no device takes it. `weights` names initializers that are
    never folded.
    """

    def __init__(self, weights: frozenset[str]) -> None:
        super().__init__()
        self.weights = weights

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        while chosen := [(node, branch) for node in model.graph if (branch := _chosen(node)) is not None]:
            for node, branch in chosen:
                _take(model.graph, node, branch)
            # What was not known behind it may decide the next one.
            common.ShapeInferencePass()(model)
            FoldConstantsPass(self.weights)(model)
            modified = True
        return ir.passes.PassResult(model, modified)


def _chosen(node: ir.Node) -> ir.Graph | None:
    condition = constant_input(node, 0) if node.op_type == "If" else None
    if condition is None:
        return None
    return node.attributes["then_branch" if bool(condition) else "else_branch"].as_graph()


def _take(graph: ir.Graph, node: ir.Node, branch: ir.Graph) -> None:
    results = list(branch.outputs)
    branch.outputs.clear()
    for value in list(branch.initializers.values()):
        branch.initializers.pop(value.name or "")
        graph.register_initializer(value)
    inner = list(branch)
    branch.remove(inner)
    graph.insert_before(node, inner)
    for before, after in zip(node.outputs, results, strict=True):
        if before.is_graph_output():
            before.name, after.name = f"{before.name}/replaced", before.name
        ir.convenience.replace_all_uses_with(before, after, replace_graph_outputs=True)
    graph.remove(node, safe=True)
