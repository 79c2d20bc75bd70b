"""The gradient of a transposed 2-D convolution.

With x (N, C, H, W), w (C, K/g, kh, kw) and y (N, K, Ho, Wo), it is the convolution of images like y to images like x,
turned round: what that sends from y to x by w, this one sends from x to y. So its gradients are that convolution's,
with x and dY in each other's place:

    dX             = convolution of dY with w
    dW[c, o, a, b] = sum over n, i, j of  x[n, c, i, j] * dYp[n, o, i*s + a*d, j*s + b*d]
    dB[o]          = sum over n, i, j of  dY[n, o, i, j]

where dYp is dY with p zeros around it.
"""

from __future__ import annotations

import onnx_ir as ir

from tbft_export.convolutions.read import Convolution
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.operands import has_static_shape, ints, static_shape, uses_auto_pad
from tbft_export.graph.refusal import refusal
from tbft_export.lowerings.conv import weight_gradient
from tbft_export.lowerings.registry import lowers


@lowers("com.microsoft", "ConvTransposeGrad")
def conv_transpose_grad(emit: Emitter) -> None:
    """dX = convolution of dY with w, dW = correlation of the padded dY with x, dB = sum of dY.

    Refuses 3-D ones, `auto_pad` and `output_shape` of images of unknown size, and `output_padding` of a stride or more.
    """
    dy, x, w = emit.node.inputs
    turned = _turned_round(emit.node, x, w)
    dx = None
    if emit.is_needed(0):
        dx = emit.op(
            "Conv",
            dy,
            w,
            group=turned.group,
            kernel_shape=turned.kernel,
            strides=turned.strides,
            pads=turned.pads,
            dilations=turned.dilations,
        )
    dw = weight_gradient(emit, turned, x, dy) if emit.is_needed(1) else None
    db = emit.op("ReduceSum", dy, [0, 2, 3], keepdims=0) if emit.is_needed(2) else None
    emit.replace(dx, dw, db)


def _turned_round(node: ir.Node, x: ir.Value | None, w: ir.Value | None) -> Convolution:
    """The convolution of images like y to images like x."""
    if uses_auto_pad(node) or ints(node, "output_shape", ()):
        raise refusal(node, "leaves its padding to be found", "export the model with explicit padding")
    if w is None or not has_static_shape(x, 4) or w.shape is None or len(w.shape) != 4:
        raise refusal(node, "reads no image of known size", "use ConvTranspose2d on images of a fixed size")
    channels, height, width = static_shape(x, node, 4)
    _, filters, kernel_h, kernel_w = w.shape.numpy()
    strides, dilations = ints(node, "strides", (1, 1)), ints(node, "dilations", (1, 1))
    pads, spare = ints(node, "pads", (0, 0, 0, 0)), ints(node, "output_padding", (0, 0))
    if any(extra >= stride for extra, stride in zip(spare, strides, strict=True)):
        raise refusal(node, "adds a stride or more to its result", "make its output padding smaller than the stride")
    rows, columns = (
        (size - 1) * strides[axis] + dilations[axis] * (kernel - 1) + 1 + spare[axis] - pads[axis] - pads[axis + 2]
        for axis, (size, kernel) in enumerate(((height, kernel_h), (width, kernel_w)))
    )
    group = node.attributes.get_int("group", 1)
    return Convolution(
        group=group,
        strides=(strides[0], strides[1]),
        pads=(pads[0], pads[1], pads[2], pads[3]),
        dilations=(dilations[0], dilations[1]),
        channels=int(filters) * group,
        image=(rows, columns),
        filters=channels,
        kernel=(int(kernel_h), int(kernel_w)),
    )
