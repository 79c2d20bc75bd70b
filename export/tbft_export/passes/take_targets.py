"""Let the loss take targets as probabilities, and let it ask for information where there is no label."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.names import INFORMATION, LABELS, LOG_MARGINAL, LOSS, TARGETS
from tbft_export.graph.builder import graph_input
from tbft_export.graph.emitter import Emitter


class TakeTargetsPass(ir.passes.InPlacePass):
    """Cross-entropy with `labels` (N,), and its gradient -> a loss that takes three inputs in place of those.

    `targets` t (N, C), `information` lambda (N,), `log_marginal` log m (C,), all float32. With the logits z (N, C),
    p = softmax(z), and u = log m - log p:

        loss = 1/N sum over i of [ -sum_k t_ik log p_ik + lambda_i sum_k p_ik u_ik ]                           ()
        dloss/dz_ik = 1/N [ p_ik (sum_j t_ij + lambda_i (u_ik - sum_j p_ij u_ij)) - t_ik ]                     (N, C)

    A row of targets need not add up to 1: times w it is the weight of a class, and of zeros no label. The second term
    is lambda times the entropy of an answer less its cross-entropy towards m, which is -KL(p_i || m). With the mean
    of p over the images as a constant m, it has the gradient of information maximisation: the mean entropy of the
    answers less the entropy of their mean (Liang, Hu, Feng, "Do We Really Need to Access the Source Data?", ICML 2020,
    arXiv 2002.08546). log m has to be finite; log p always is.

    The number of classes is no constant of any node. The first output is named `loss`; the logits stay an output.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        graph = model.graph
        graph.outputs[0].name = LOSS
        loss, gradient = (
            next(node for node in graph if node.op_type == f"SoftmaxCrossEntropyLoss{end}") for end in ("", "Grad")
        )
        logits, labels = loss.inputs
        assert logits is not None
        assert labels is not None
        targets, information, log_marginal = _put_inputs(graph, labels, logits)

        emit = Emitter(loss)
        log_prob = emit.op("LogSoftmax", logits, axis=1)
        prob = emit.op("Exp", log_prob)
        nearness = emit.op("Sub", log_marginal, log_prob)  # u
        of_image = emit.op("ReduceSum", emit.op("Mul", prob, nearness), [1], keepdims=1)
        weight = emit.op("Unsqueeze", information, [1])
        of_targets = emit.op("ReduceSum", emit.op("Mul", targets, log_prob), [1], keepdims=1)
        of_both = emit.op("Sub", emit.op("Mul", weight, of_image), of_targets)
        emit.replace(emit.op("ReduceMean", of_both, keepdims=0), log_prob)

        emit = Emitter(gradient)
        mass = emit.op("ReduceSum", targets, [1], keepdims=1)
        gain = emit.op("Mul", weight, emit.op("Sub", nearness, of_image))
        difference = emit.op("Sub", emit.op("Mul", prob, emit.op("Add", mass, gain)), targets)
        count = emit.cast(emit.op("Size", information), ir.DataType.FLOAT)
        emit.replace(emit.op("Mul", difference, emit.op("Div", gradient.inputs[0], count)))
        return ir.passes.PassResult(model, True)


def _put_inputs(graph: ir.Graph, labels: ir.Value, logits: ir.Value) -> tuple[ir.Value, ir.Value, ir.Value]:
    """Where `labels` stood among the inputs of the graph."""
    assert labels.name == LABELS
    assert labels.shape is not None
    assert logits.shape is not None
    images, classes = labels.shape[0], logits.shape[1]
    found = (
        graph_input(TARGETS, (images, classes)),
        graph_input(INFORMATION, (images,)),
        graph_input(LOG_MARGINAL, (classes,)),
    )
    position = graph.inputs.index(labels)
    graph.inputs[position : position + 1] = found
    return found
