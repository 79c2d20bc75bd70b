"""Gradients of softmax and its logarithm inside a network."""

from __future__ import annotations

from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings.registry import lowers


@lowers("com.microsoft", "SoftmaxGrad_13")
def softmax_grad(emit: Emitter) -> None:
    """dX = Y * (dY - sum(Y * dY)), summed along `axis`; Y is the output of Softmax."""
    dy, y = emit.node.inputs
    axis = emit.node.attributes.get_int("axis", -1)
    total = emit.op("ReduceSum", emit.op("Mul", y, dy), [axis], keepdims=1)
    emit.replace(emit.op("Mul", y, emit.op("Sub", dy, total)))


@lowers("com.microsoft", "LogSoftmaxGrad_13")
def log_softmax_grad(emit: Emitter) -> None:
    """dX = dY - exp(Y) * sum(dY), summed along `axis`; Y is the output of LogSoftmax."""
    dy, y = emit.node.inputs
    axis = emit.node.attributes.get_int("axis", -1)
    total = emit.op("ReduceSum", dy, [axis], keepdims=1)
    emit.replace(emit.op("Sub", dy, emit.op("Mul", emit.op("Exp", y), total)))
