"""Count right answers beside the loss."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.names import CORRECT, LABELS, LOGITS, LOSS
from tbft_export.graph.nodes import NodeWriter, named_after


class CountCorrectPass(ir.passes.InPlacePass):
    """Name the first output `loss`, and replace the output `logits` by `correct`.

    correct = sum over n of (argmax(logits[n]) == labels[n])        () int64
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        labels = next(value for value in graph.inputs if value.name == LABELS)
        position, logits = next((index, value) for index, value in enumerate(graph.outputs) if value.name == LOGITS)
        graph.outputs[0].name = LOSS
        emit = NodeWriter(graph, named_after(CORRECT))
        answers = emit.op("ArgMax", logits, axis=1, keepdims=0)
        hits = emit.cast(emit.op("Equal", answers, labels), ir.DataType.INT64)
        correct = emit.op("ReduceSum", hits, keepdims=0)
        correct.name, correct.shape, correct.dtype = CORRECT, ir.Shape([]), ir.DataType.INT64
        graph.outputs[position] = correct
        return ir.passes.PassResult(model, True)
