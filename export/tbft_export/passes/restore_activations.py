"""Put activations back where ReLU stood in for them, each with its own gradient."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.activations import GRADIENT_DOMAIN, Activation
from tbft_export.graph.emitter import Emitter


class RestoreActivationsPass(ir.passes.InPlacePass):
    """Relu -> the activation it stands for, and ReluGrad(dY, V) -> that activation's gradient.

    `activations` names them by their output. Their gradients have lowerings of their own, and read the output, which
    the next layer keeps anyway (Relu6Grad(dY, y)), or the input where that does not say enough (HardSwishGrad(dY, x)).

    With `masked` the backward of ReLU6 and hard-swish is the mask of MobileTL (arXiv 2212.03246), dX = dY
    where x >= 0 (here x > 0: at 0 itself nothing passes, as with ReLU). Both are positive exactly where x
    is, so that the output gives it too, and nothing is stored for it: ReluGrad(dY, y).

    Raises TbftError if one is not found again.
    """

    def __init__(self, activations: Mapping[str, Activation], *, masked: bool = False) -> None:
        super().__init__()
        self.activations = activations
        self.masked = masked

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        stand_ins = {
            node.outputs[0].name: node
            for node in model.graph
            if node.op_type == "Relu" and node.outputs[0].name in self.activations
        }
        # ORT names the gradient of a value after it.
        gradients = {node.inputs[0].name: node for node in model.graph if node.op_type == "ReluGrad" if node.inputs[0]}
        lost = sorted(self.activations.keys() - stand_ins.keys())
        lost += [
            name for name, node in stand_ins.items() if name and _is_read(node) and f"{name}_grad" not in gradients
        ]
        if lost:
            raise TbftError(
                f"the activation with the output '{lost[0]}' is lost in ONNX Runtime Training's graph",
                "please report the model, this is a defect of the compiler; or train a block behind it",
            )
        for name, node in stand_ins.items():
            activation = self.activations[name or ""]
            x, y = node.inputs[0], node.outputs[0]
            assert x is not None
            gradient = gradients.get(f"{name}_grad")
            if gradient is not None:  # Nothing trained lies before it otherwise.
                self._restore_gradient(gradient, activation, x, y)
            _restore_forward(node, activation)
        if stand_ins:
            model.graph.opset_imports[GRADIENT_DOMAIN] = 1
        return ir.passes.PassResult(model, bool(stand_ins))

    def _restore_gradient(self, gradient: ir.Node, activation: Activation, x: ir.Value, y: ir.Value) -> None:
        if self.masked and activation.kind.can_be_masked:
            gradient.replace_input_with(1, y)
            return
        gradient.domain = GRADIENT_DOMAIN
        gradient.op_type = f"{activation.name}Grad"
        gradient.replace_input_with(1, x if activation.kind.gradient_reads == "x" else y)
        _set_attributes(gradient, activation)


def _is_read(stand_in: ir.Node) -> bool:
    """Whether a gradient reads the output of `stand_in`."""
    return any(use.node.op_type == "ReluGrad" and use.idx == 1 for use in stand_in.outputs[0].uses())


def _restore_forward(node: ir.Node, activation: Activation) -> None:
    emit = Emitter(node)
    operands = [emit.constant(number) for number in activation.kind.operands]
    node.op_type = activation.kind.op_type
    node.resize_inputs(1 + len(operands))
    for index, operand in enumerate(operands, start=1):
        node.replace_input_with(index, operand)
    _set_attributes(node, activation)


def _set_attributes(node: ir.Node, activation: Activation) -> None:
    for name, value in activation.attributes.items():
        node.attributes[name] = ir.AttrFloat32(name, value)
