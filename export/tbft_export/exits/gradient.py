"""The gradient graph of exits on fixed features, in closed form.

Image i has features x_ie at exit e and logits z_ie = W_e x_ie + b_e; its target T_i, a row of classes, is the same at
every exit. With p = softmax(z), N images and s_i = sum_c T_ic (1 for an image that takes part, 0 for one left out):

    loss   = -1/N sum_i sum_e sum_c T_ic log p_iec
    dz_ie  = (s_i p_ie - T_i) / N
    dW_e   = sum_i dz_ie x_ie^T          db_e = sum_i dz_ie

What T is tells the ways to personalise apart (PersEPhonEE, arXiv 2102.01393); see `targets`.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from tbft_artifacts.names import CORRECT, LABELS, LOSS
from tbft_artifacts.plan import Parameter
from tbft_export.exits.attach import FEATURES, exit_bias, exit_weight, split
from tbft_export.exits.heads import Head
from tbft_export.exits.personalisation import CONFIDENT, Personalisation
from tbft_export.graph.builder import GraphBuilder, empty_graph, graph_input
from tbft_export.graph.forward import BATCH
from tbft_export.graph.nodes import NodeWriter


def build_gradient(heads: Sequence[Head], personalisation: Personalisation) -> ir.Model:
    """(`features` (batch, F), `labels` (batch,) int64, parameters) -> `loss`, `correct`, gradients, float32.

    `heads` give the shapes of the exits' parameters, the last of them behind the whole network. `loss` and gradients
    are means over all images of the batch, so that parts of a batch add up when weighted by their images. `correct`
    () int64: labelled images for which the last exit is right.
    """
    parameters = parameters_of(heads)
    inputs = {each.name: graph_input(each.name, each.shape) for each in parameters}
    features = graph_input(FEATURES, [BATCH, sum(head.weight.shape[1] for head in heads)])
    labels = graph_input(LABELS, [BATCH], ir.DataType.INT64)
    build = GraphBuilder(empty_graph("gradient", [features, labels, *inputs.values()]))
    parts = split(build, features, heads)
    exits = [build.at(f"exits.{number}") for number in range(len(heads))]
    logits = [
        emit.op("Gemm", part, inputs[exit_weight(number)], inputs[exit_bias(number)], transB=1)
        for number, (emit, part) in enumerate(zip(exits, parts, strict=True))
    ]
    stacked = [emit.op("Unsqueeze", each, [1]) for emit, each in zip(exits, logits, strict=True)]
    emit = build.at("exits.loss")
    log_p = emit.op("LogSoftmax", emit.op("Concat", *stacked, axis=1), axis=2)
    p = emit.op("Exp", log_p)
    target = emit.op("Unsqueeze", targets(build, p, labels, heads, personalisation), [1])
    images = emit.op("Squeeze", emit.cast(emit.op("Shape", labels, start=0, end=1), ir.DataType.FLOAT))
    likelihood = emit.op("ReduceSum", emit.op("Mul", target, log_p), keepdims=0)
    loss = emit.op("Neg", emit.op("Div", likelihood, images))
    takes_part = emit.op("ReduceSum", target, [2], keepdims=1)
    dz = emit.op("Div", emit.op("Sub", emit.op("Mul", takes_part, p), target), images)

    gradients: list[ir.Value] = []
    for number, (emit, part) in enumerate(zip(exits, parts, strict=True)):
        own_dz = emit.op("Gather", dz, number, axis=1)
        gradients += [emit.op("Gemm", own_dz, part, transA=1), emit.op("ReduceSum", own_dz, [0], keepdims=0)]
    named = {each.gradient: value for each, value in zip(parameters, gradients, strict=True)}
    return build.finish({LOSS: loss, CORRECT: _correct(build.at(CORRECT), logits[-1], labels), **named})


def parameters_of(heads: Sequence[Head]) -> tuple[Parameter, ...]:
    """The trained tensors of exits, in order: weight and bias of each."""
    return tuple(
        parameter
        for number, head in enumerate(heads)
        for parameter in (
            Parameter(exit_weight(number), head.weight.shape),
            Parameter(exit_bias(number), head.bias.shape),
        )
    )


def targets(
    build: GraphBuilder, p: ir.Value, labels: ir.Value, heads: Sequence[Head], personalisation: Personalisation
) -> ir.Value:
    """The target T of each image (batch, classes), from its label and the probabilities `p` (batch, E, classes).

    Exits teach as they are now, and no gradient goes through what they teach. q is the last exit's row of p.

        labels     T = onehot(label); without a label 0
        confident  T = onehot(label); without a label onehot(argmax q) where max q >= CONFIDENT, else 0
        distill    T = onehot(label); without a label the mean of p over the exits

    The paper leaves open how sure is sure enough, at which temperature probabilities are taken (here 1), what is
    learned from a teacher about images that have a label, and which exits teach. What was measured stands in
    docs/compiler.md.
    """
    classes = len(heads[-1].bias)
    by_label, by_teacher = build.at(LABELS), build.at("exits.teacher")
    known = _one_hot(by_label, labels, classes)
    if personalisation == "labels":
        return known
    if personalisation == "confident":
        q = by_teacher.op("Gather", p, len(heads) - 1, axis=1)
        answer = _one_hot(by_teacher, by_teacher.op("ArgMax", q, axis=1, keepdims=0), classes)
        sure = by_teacher.op("GreaterOrEqual", by_teacher.op("ReduceMax", q, axes=[1], keepdims=1), CONFIDENT)
        taught = by_teacher.op("Mul", answer, by_teacher.cast(sure, ir.DataType.FLOAT))
    else:
        taught = by_teacher.op("ReduceMean", p, axes=[1], keepdims=0)
    is_labelled = by_label.op("GreaterOrEqual", by_label.op("Unsqueeze", labels, [1]), 0)
    return by_label.op("Where", is_labelled, known, taught)


def _one_hot(emit: NodeWriter, numbers: ir.Value, classes: int) -> ir.Value:
    """(batch,) int64 -> (batch, classes) float32; a row of zeros for a number that is no class."""
    equal = emit.op("Equal", emit.op("Unsqueeze", numbers, [1]), list(range(classes)))
    return emit.cast(equal, ir.DataType.FLOAT)


def _correct(emit: NodeWriter, logits: ir.Value, labels: ir.Value) -> ir.Value:
    answers = emit.op("ArgMax", logits, axis=1, keepdims=0)
    hits = emit.cast(emit.op("Equal", answers, labels), ir.DataType.INT64)
    return emit.op("ReduceSum", hits, keepdims=0)
