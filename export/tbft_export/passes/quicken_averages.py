"""Let running averages of batch norms keep up with fine-tuning."""

from __future__ import annotations

import onnx_ir as ir

# PyTorch's default: running = 0.9 * running + 0.1 * batch.
LARGEST_KEPT = 0.9


class QuickenAveragesPass(ir.passes.InPlacePass):
    """BatchNormalization: at most 0.9 of a running average is kept at each step.

    Networks trained for weeks keep more (EfficientNet 0.99). Fine-tuning takes some hundred steps: such averages would
    still be those of the source domain when it ends, and the deployed model, which normalises with them, would
    not be the one that was trained.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in model.graph:
            if node.op_type == "BatchNormalization" and node.attributes.get_float("momentum", 0.9) > LARGEST_KEPT:
                node.attributes["momentum"] = ir.AttrFloat32("momentum", LARGEST_KEPT)
                modified = True
        return ir.passes.PassResult(model, modified)
