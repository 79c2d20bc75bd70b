"""Cross-entropy over class logits and its gradient."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings.registry import lowers


@lowers("", "SoftmaxCrossEntropyLoss")
def softmax_cross_entropy_loss(emit: Emitter) -> None:
    """loss = -mean over n of log_softmax(logits)[n, labels[n]]; also returns the log-probabilities.

    logits (N, C) float32, labels (N,) int64 -> loss (), log_prob (N, C). In the ONNX standard this is
    a function operator; written out, engines without it can run the graph. Refuses class weights,
    `ignore_index` and reductions other than the mean.
    """
    logits, labels = _plain_inputs(emit, 2)
    log_prob = emit.op("LogSoftmax", logits, axis=1)
    rows = emit.op("Unsqueeze", labels, [1])
    picked = emit.op("GatherElements", log_prob, rows, axis=1)
    mean = emit.op("ReduceMean", picked, keepdims=0)
    emit.replace(emit.op("Neg", mean), log_prob)


@lowers("com.microsoft", "SoftmaxCrossEntropyLossGrad")
def softmax_cross_entropy_loss_grad(emit: Emitter) -> None:
    """dlogits = dL * (exp(log_prob) - onehot(labels)) / N.

    dL (), log_prob (N, C), labels (N,) -> (N, C). Written without the number of classes, which a device may change: 1
    is taken from the one probability of each row where the label is. Refuses what the loss refuses.
    """
    dloss, log_prob, labels = _plain_inputs(emit, 3)
    prob = emit.op("Exp", log_prob)
    rows = emit.op("Unsqueeze", labels, [1])
    less = emit.op("Sub", emit.op("GatherElements", prob, rows, axis=1), 1.0)
    difference = emit.op("ScatterElements", prob, rows, less, axis=1)
    count = emit.cast(emit.op("Size", labels), ir.DataType.FLOAT)
    emit.replace(emit.op("Mul", difference, emit.op("Div", dloss, count)))


def _plain_inputs(emit: Emitter, count: int) -> tuple[ir.Value | None, ...]:
    node = emit.node
    weighted = any(value is not None for value in node.inputs[count:])
    if weighted or "ignore_index" in node.attributes or node.attributes.get_string("reduction", "mean") != "mean":
        raise TbftError(
            f"operator {node.op_type} at node '{node.name}' uses class weights, ignore_index or a reduction "
            "other than the mean",
            "train with the plain mean cross-entropy",
        )
    return tuple(node.inputs[:count])
