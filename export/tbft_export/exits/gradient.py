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

import numpy as np
import onnx_ir as ir

from tbft_artifacts.names import CORRECT, LABELS, LOSS
from tbft_artifacts.plan import Parameter
from tbft_export.exits.attach import FEATURES, exit_bias, exit_weight, split
from tbft_export.exits.heads import Head
from tbft_export.exits.personalisation import CONFIDENT, Personalisation
from tbft_export.graph.builder import GraphBuilder, empty_graph, graph_input

# Names that nodes begin with: what they compute for.
_LOSS, _TEACHER = "exits.loss", "exits.teacher"


def build_gradient(heads: Sequence[Head], personalisation: Personalisation) -> ir.Model:
    """(`features` (batch, F), `labels` (batch,) int64, parameters) -> `loss`, `correct`, gradients, float32.

    `heads` give the shapes of the exits' parameters, the last of them behind the whole network. `loss` and gradients
    are means over all images of the batch, so that parts of a batch add up when weighted by their images. `correct`
    () int64: labelled images for which the last exit is right.
    """
    parameters = parameters_of(heads)
    inputs = {each.name: _input(each) for each in parameters}
    features = graph_input(FEATURES, [sum(head.weight.shape[1] for head in heads)])
    labels = graph_input(LABELS, [], ir.DataType.INT64)
    build = GraphBuilder(empty_graph("gradient", [features, labels, *inputs.values()]))
    parts = split(build, features, heads)
    logits = [
        build.op(f"exits.{n}", "Gemm", part, inputs[exit_weight(n)], inputs[exit_bias(n)], transB=1)
        for n, part in enumerate(parts)
    ]
    stacked = [build.op(f"exits.{n}", "Unsqueeze", each, _AXIS) for n, each in enumerate(logits)]
    log_p = build.op(_LOSS, "LogSoftmax", build.op(_LOSS, "Concat", *stacked, axis=1), axis=2)
    p = build.op(_LOSS, "Exp", log_p)
    target = targets(build, p, labels, heads, personalisation)
    target = build.op(_LOSS, "Unsqueeze", target, _AXIS)
    batch = build.op(_LOSS, "Shape", labels, start=0, end=1)
    images = build.op(_LOSS, "Squeeze", build.op(_LOSS, "Cast", batch, to=int(ir.DataType.FLOAT)))
    likelihood = build.op(_LOSS, "ReduceSum", build.op(_LOSS, "Mul", target, log_p), keepdims=0)
    loss = build.op(_LOSS, "Neg", build.op(_LOSS, "Div", likelihood, images))
    takes_part = build.op(_LOSS, "ReduceSum", target, np.array([2]), keepdims=1)
    expected = build.op(_LOSS, "Mul", takes_part, p)
    dz = build.op(_LOSS, "Div", build.op(_LOSS, "Sub", expected, target), images)

    gradients: list[ir.Value] = []
    for number, part in enumerate(parts):
        origin = f"exits.{number}"
        own_dz = build.op(origin, "Gather", dz, np.array(number), axis=1)
        gradients += [
            build.op(origin, "Gemm", own_dz, part, transA=1),
            build.op(origin, "ReduceSum", own_dz, np.array([0]), keepdims=0),
        ]
    named = {each.gradient: value for each, value in zip(parameters, gradients, strict=True)}
    return build.finish({LOSS: loss, CORRECT: _correct(build, logits[-1], labels), **named})


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
    known = _one_hot(build, LABELS, labels, classes)
    if personalisation == "labels":
        return known
    if personalisation == "confident":
        q = build.op(_TEACHER, "Gather", p, np.array(len(heads) - 1), axis=1)
        answer = _one_hot(build, _TEACHER, build.op(_TEACHER, "ArgMax", q, axis=1, keepdims=0), classes)
        surest = build.op(_TEACHER, "ReduceMax", q, axes=[1], keepdims=1)
        sure = build.op(_TEACHER, "GreaterOrEqual", surest, np.array(CONFIDENT, np.float32))
        taught = build.op(_TEACHER, "Mul", answer, build.op(_TEACHER, "Cast", sure, to=int(ir.DataType.FLOAT)))
    else:
        taught = build.op(_TEACHER, "ReduceMean", p, axes=[1], keepdims=0)
    is_labelled = build.op(LABELS, "GreaterOrEqual", build.op(LABELS, "Unsqueeze", labels, _AXIS), np.array(0))
    return build.op(LABELS, "Where", is_labelled, known, taught)


def _one_hot(build: GraphBuilder, origin: str, numbers: ir.Value, classes: int) -> ir.Value:
    """(batch,) int64 -> (batch, classes) float32; a row of zeros for a number that is no class."""
    column = build.op(origin, "Unsqueeze", numbers, _AXIS)
    equal = build.op(origin, "Equal", column, np.arange(classes))
    return build.op(origin, "Cast", equal, to=int(ir.DataType.FLOAT))


def _correct(build: GraphBuilder, logits: ir.Value, labels: ir.Value) -> ir.Value:
    answers = build.op(CORRECT, "ArgMax", logits, axis=1, keepdims=0)
    hits = build.op(CORRECT, "Cast", build.op(CORRECT, "Equal", answers, labels), to=int(ir.DataType.INT64))
    return build.op(CORRECT, "ReduceSum", hits, keepdims=0)


def _input(parameter: Parameter) -> ir.Value:
    return ir.Value(name=parameter.name, shape=ir.Shape(parameter.shape), type=ir.TensorType(ir.DataType.FLOAT))


_AXIS = np.array([1])
