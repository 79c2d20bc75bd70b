"""Count right answers beside the loss."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.names import CORRECT, LABELS, LOGITS, LOSS, ORIGIN_END


class CountCorrectPass(ir.passes.InPlacePass):
    """Name the first output `loss`, and replace the output `logits` by `correct`.

    correct = sum over n of (argmax(logits[n]) == labels[n])        () int64
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        labels = next(value for value in graph.inputs if value.name == LABELS)
        position, logits = next((index, value) for index, value in enumerate(graph.outputs) if value.name == LOGITS)
        graph.outputs[0].name = LOSS
        tape = ir.tape.Tape(graph)
        answers = tape.op("ArgMax", [logits], {"axis": 1, "keepdims": 0}, name=f"{CORRECT}{ORIGIN_END}ArgMax")
        equal = tape.op("Equal", [answers, labels], name=f"{CORRECT}{ORIGIN_END}Equal")
        hits = tape.op("Cast", [equal], {"to": int(ir.DataType.INT64)}, name=f"{CORRECT}{ORIGIN_END}Cast")
        correct = tape.op("ReduceSum", [hits], {"keepdims": 0}, name=f"{CORRECT}{ORIGIN_END}ReduceSum")
        correct.name, correct.shape, correct.dtype = CORRECT, ir.Shape([]), ir.DataType.INT64
        graph.outputs[position] = correct
        return ir.passes.PassResult(model, True)
