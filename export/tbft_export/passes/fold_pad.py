"""Let convolutions do the padding that stands before them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tbft_export.graph.operands import constant_input, ints, uses_auto_pad

_SPATIAL = slice(2, None)


class FoldPadPass(ir.passes.InPlacePass):
    """Conv(Pad(x)) -> Conv with larger pads, where Pad puts zeros around the images and nothing else.

    Networks that were converted from TensorFlow pad with one row more at the end than at the start, which
    PyTorch's convolution cannot say and ONNX's can. It saves a copy of the image, forward and backward.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in model.graph:
            if node.op_type != "Conv":
                continue
            pad = node.inputs[0].producer() if node.inputs[0] is not None else None
            amounts = None if pad is None or pad.op_type != "Pad" else _zeros_around_images(pad)
            if pad is None or amounts is None or uses_auto_pad(node):
                continue
            own = ints(node, "pads", [0] * amounts.size)
            node.attributes["pads"] = ir.AttrInt64s("pads", [int(a + b) for a, b in zip(amounts, own, strict=True)])
            node.replace_input_with(0, pad.inputs[0])
            modified = True
        return ir.passes.PassResult(model, modified)


def _zeros_around_images(pad: ir.Node) -> np.ndarray | None:
    """The pads of the spatial axes, first all begins, then all ends; None if `pad` does anything else."""
    amounts, value = constant_input(pad, 1), constant_input(pad, 2)
    optional = sum(operand is not None for operand in pad.inputs[2:])
    # Beyond amounts and value a Pad may name axes.
    if amounts is None or optional > (value is not None) or (value is not None and value.any()):
        return None
    if pad.attributes.get_string("mode", "constant") != "constant" or (amounts < 0).any():
        return None
    begins, ends = np.split(amounts, 2)
    other_axes = (*begins[:2], *ends[:2])
    return None if any(other_axes) else np.concatenate([begins[_SPATIAL], ends[_SPATIAL]])
