"""Keep image tensors spatial-major from one lowered convolution to the next."""

from __future__ import annotations

import onnx_ir as ir

from tbft_export.graph.layout import is_turn
from tbft_export.passes.layout_rules import Turned, rule_for


class SpatialMajorLayoutPass(ir.passes.InPlacePass):
    """Move the turns between (N, C, H, W) and (H, W, N, C) out of the way.

    A node that works on either layout and reads a value that was just turned back is written for the
    spatial-major layout, and its result is turned back instead; two turns in a row are nothing. What
    reads only (N, C, H, W), such as Conv, keeps doing so. Needs inferred shapes; leaves unused nodes.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        turned = Turned()
        modified = False
        for node in list(model.graph):
            if is_turn(node):
                modified |= turned.meet(node)
            elif any(turned.is_back(value) for value in node.inputs):
                rule = rule_for(node)
                modified |= rule is not None and rule(turned, node)
        return ir.passes.PassResult(model, modified)
