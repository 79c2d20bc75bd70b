"""Write layers for which ONNX Runtime Training builds no gradient with operators for which it does."""

from __future__ import annotations

from collections.abc import Set

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.behind import nodes_behind
from tbft_export.graph.emitter import Emitter
from tbft_export.passes.layer_forms import LAYER_FORMS


class WriteOutLayersPass(ir.passes.InPlacePass):
    """A layer behind a trained parameter -> its form in `LAYER_FORMS`, if it has one there.

    Frozen ones stay as they are. Raises TbftError for a layer that its form does not fit, and for a Pow whose exponent
    depends on a trained parameter: ORT Training's gradient of it is wrong.
    """

    def __init__(self, trainable: Set[str]) -> None:
        super().__init__()
        self.trainable = trainable

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        behind = nodes_behind(model.graph, self.trainable)
        results = {output for node in behind for output in node.outputs}
        modified = False
        for node in behind:
            if node.op_type == "Pow" and self._is_trained(node.inputs[1], results):
                raise TbftError(
                    f"operator Pow at node '{node.name}' has an exponent that is trained, and no gradient for it",
                    "keep the exponent constant, or write the power as exp(exponent * log(x))",
                )
            form = LAYER_FORMS.get(node.op_type)
            if form is not None:
                form(Emitter(node))
                modified = True
        return ir.passes.PassResult(model, modified)

    def _is_trained(self, value: ir.Value | None, results: Set[ir.Value]) -> bool:
        return value is not None and (value in results or value.name in self.trainable)
