"""Write out batch norms that normalise by no running averages, such as those of weights."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common

from tbft_export.graph.emitter import Emitter
from tbft_export.graph.refusal import refusal
from tbft_export.lowerings.batch_norm import normalize_with_own_statistics
from tbft_export.passes.freeze_batch_norm import scale_and_shift


class WriteOutComputedNormsPass(ir.passes.InPlacePass):
    """BatchNormalization(x, gamma, beta, mean, var) whose mean and variance are not both weights -> its formula.

    1. With `training_mode` the statistics are those of x: y = (x - mean(x)) * gamma / sqrt(var(x) + epsilon) + beta.
    2. Else they are what is given: y = x * scale + shift, as `FreezeBatchNormPass` has it.

    PyTorch's exporter writes the first for `functional.batch_norm(weight, None, None, training=True)`, by which
    networks standardise their filters. It is no batch norm of the network: there are no averages to keep, to estimate
    anew or to move, whatever a plan does with batch norms.

    `weights` names what the trained model holds. Raises TbftError for a node whose input has no known rank.
    """

    def __init__(self, weights: frozenset[str]) -> None:
        super().__init__()
        self.weights = weights

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            if node.op_type == "BatchNormalization" and not self._has_averages(node):
                _write_out(node)
                modified = True
        if modified:
            common.ShapeInferencePass()(model)  # What is written has no shapes yet, and the next passes read them.
        return ir.passes.PassResult(model, modified)

    def _has_averages(self, norm: ir.Node) -> bool:
        return all(value is not None and value.name in self.weights for value in norm.inputs[3:5])


def _write_out(node: ir.Node) -> None:
    x = node.inputs[0]
    if x is None or x.shape is None:
        raise refusal(node, "reads a tensor of unknown rank", "write sizes as numbers in the model")
    emit, rank = Emitter(node), len(x.shape)
    if node.attributes.get_int("training_mode", 0):  # Case 1
        y, _ = normalize_with_own_statistics(emit, rank)
    else:  # Case 2
        scale, shift = (emit.op("Reshape", each, [1, -1] + [1] * (rank - 2)) for each in scale_and_shift(emit))
        y = emit.op("Add", emit.op("Mul", x, scale), shift)
    emit.replace(y)
