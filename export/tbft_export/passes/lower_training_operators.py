"""Write every training-only operator with standard ones."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import ConvolutionForm
from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings.registry import find_lowering


class LowerTrainingOperatorsPass(ir.passes.InPlacePass):
    """Apply the registered lowering to each node that has one.

    `form` says how convolutions are written. Raises TbftError for an operator outside the default
    ONNX domain that has none.
    """

    def __init__(self, form: ConvolutionForm = "direct") -> None:
        super().__init__()
        self.form = form

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        # From the end: what a gradient leaves unused is not computed by the nodes before it.
        for node in reversed(list(model.graph)):
            lowering = find_lowering(node.domain, node.op_type)
            if lowering is not None:
                lowering.function(Emitter(node, self.form))
                modified = True
            elif node.domain not in ("", "ai.onnx"):
                raise TbftError(
                    f"operator {node.domain}::{node.op_type} at node '{node.name}' has no lowering to standard ONNX",
                    "write the layer with other operators, or train a block behind it",
                )
        for domain in [domain for domain in model.graph.opset_imports if domain]:
            del model.graph.opset_imports[domain]
        return ir.passes.PassResult(model, modified)
