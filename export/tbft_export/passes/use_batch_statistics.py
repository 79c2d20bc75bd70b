"""Run batch norms of a forward graph on the statistics of the batch, and return them."""

from __future__ import annotations

import onnx_ir as ir

from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings.batch_norm import normalize_with_batch_statistics


class UseBatchStatisticsPass(ir.passes.InPlacePass):
    """BatchNormalization -> its training form, without a gradient.

    Mean and unbiased variance of each norm become graph outputs, `<running statistic>.batch`.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            if node.op_type == "BatchNormalization":
                emit = Emitter(node)
                y, _ = normalize_with_batch_statistics(emit)
                emit.replace(y)
                modified = True
        return ir.passes.PassResult(model, modified)
