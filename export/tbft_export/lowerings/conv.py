"""A 2-D convolution and its gradient.

With x (N, C, H, W), w (K, C/g, kh, kw), stride s, padding p, dilation d, g groups, dY (N, K, Ho, Wo):

    y[n, o, i, j] = sum over c, a, b of  w[o, c, a, b] * xp[n, c, i*s + a*d, j*s + b*d]

where xp is x with p zeros around it. So

    dW[o, c, a, b] = sum over n, i, j of  dY[n, o, i, j] * xp[n, c, i*s + a*d, j*s + b*d]
    dX             = the transposed convolution of dY with w
    dB[o]          = sum over n, i, j of  dY[n, o, i, j]
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tbft_export.convolutions import depthwise, winograd
from tbft_export.convolutions.read import Convolution, is_readable, read_convolution
from tbft_export.graph.emitter import Emitter
from tbft_export.lowerings.registry import lowers

# Up to this many products of input and output channels, one small MatMul per image and kernel
# position keeps its operands in cache and is the fastest form of dW (ResNet-26: 1.2 to 1.6 times);
# above it, one large Gemm over im2col wins (128 channels and more: 1.1 to 1.7 times).
LARGEST_MATMUL_CHANNELS = 64 * 64

# With fewer input channels (a stem) those small MatMuls are nearly empty, and im2col wins again.
FEWEST_MATMUL_CHANNELS = 8

# dW of a depthwise convolution without stride: with so small a kernel and so many pixels of dY, products with shifted
# images are faster than band matrices (`depthwise.py`), and in large images always than a Conv with batch and
# channels swapped. Millions of Cortex-A72 instructions of Conv, bands and products for 2 images: 144 channels, 3 x 3,
# 24 px 26.9, 15.9 and 9.8; 480, 3 x 3, 14 px 30.9, 18.0 and 15.7; 480, 3 x 3, 6 px 6.2, 4.5 and 6.5; 240, 5 x 5,
# 12 px 21.7, 8.6 and 16.7. A MatMul per channel, of im2col or of each shifted image, was never the fastest.
MOST_PRODUCTS = 9
FEWEST_PRODUCT_PIXELS = 100

# Slice takes an end past the start of an axis as "down to the first element".
BEFORE_FIRST = np.iinfo(np.int64).min


@lowers("", "Conv")
def conv(emit: Emitter) -> None:
    """y = A^T [ (G w G^T) * (B^T x B) ] A + b, Winograd's F(2x2, 3x3), where that form is asked for.

    A depthwise convolution whose weights are trained is written with band matrices, where that pays. Any other Conv
    stays Conv.
    """
    x, w, *bias = emit.node.inputs
    if not is_readable(emit.node):
        return
    convolution = read_convolution(emit.node, x, w)
    if emit.form == "winograd" and winograd.suits(convolution):
        y = winograd.convolve(emit, convolution, x, w)
    elif depthwise.suits(convolution) and not _is_frozen(w):
        y = depthwise.convolve(emit, convolution, x, w)
    else:
        return
    if bias and bias[0] is not None:
        y = emit.op("Add", y, emit.op("Reshape", bias[0], [1, convolution.filters, 1, 1]))
    emit.replace(y)


@lowers("com.microsoft", "ConvGrad")
def conv_grad(emit: Emitter) -> None:
    """dX = conv_transpose(dY, w), dW = correlation of the padded x with dY, dB = sum of dY.

    dX with stride 1 is a Conv of dY with w flipped in both kernel axes and its channel axes swapped in each
    group; for a frozen w the device folds the flip when it loads the graph. Otherwise ConvTranspose.
    Refuses 1-D and 3-D convolutions and `auto_pad`.
    """
    dy, x, w = emit.node.inputs
    convolution = read_convolution(emit.node, x, w)
    dx = _input_gradient(emit, convolution, dy, w) if emit.is_needed(0) else None
    dw = weight_gradient(emit, convolution, dy, x) if emit.is_needed(1) else None
    db = emit.op("ReduceSum", dy, [0, 2, 3], keepdims=0) if emit.is_needed(2) else None
    emit.replace(dx, dw, db)


def _is_frozen(w: ir.Value | None) -> bool:
    """Whether ONNX Runtime can pack `w` once for its convolution."""
    return w is not None and w.is_initializer()


def _input_gradient(emit: Emitter, conv: Convolution, dy: ir.Value | None, w: ir.Value | None) -> ir.Value:
    if emit.form == "winograd" and winograd.suits(conv):
        return winograd.input_gradient(emit, conv, dy, w)
    if conv.is_plain and depthwise.suits(conv) and not _is_frozen(w):
        return depthwise.input_gradient(emit, conv, dy, w)
    # With stride 1 Conv has faster kernels: depthwise 3 x 3, Cortex-A72, 3.2 million instructions for 7.2; with
    # frozen filters on x86-64 a fourth to a twentieth of the time. With stride 2 ConvTranspose takes a
    # quarter to a half of what Conv takes on dY with zeros between its pixels, or on each phase of them.
    if not conv.is_plain:
        return emit.op(
            "ConvTranspose",
            dy,
            w,
            group=conv.group,
            strides=conv.strides,
            pads=conv.pads,
            dilations=conv.dilations,
            kernel_shape=conv.kernel,
            output_padding=conv.output_padding,
        )
    flipped = _swap_channels(emit, conv, w)
    if conv.kernel != (1, 1):
        flipped = emit.op("Slice", flipped, [-1, -1], [BEFORE_FIRST, BEFORE_FIRST], [2, 3], [-1, -1])
    return emit.op(
        "Conv",
        dy,
        flipped,
        group=conv.group,
        kernel_shape=conv.kernel,
        pads=conv.flipped_pads,
        dilations=conv.dilations,
    )


def _swap_channels(emit: Emitter, conv: Convolution, w: ir.Value | None) -> ir.Value | None:
    """(K, C/g, kh, kw) -> (C, K/g, kh, kw): the filters of each group, seen from its input channels."""
    if conv.is_depthwise:
        return w
    if conv.group == 1:
        return emit.op("Transpose", w, perm=[1, 0, 2, 3])
    inputs, outputs = conv.channels // conv.group, conv.filters // conv.group
    grouped = emit.op("Reshape", w, [conv.group, outputs, inputs, *conv.kernel])
    swapped = emit.op("Transpose", grouped, perm=[0, 2, 1, 3, 4])
    return emit.op("Reshape", swapped, [conv.channels, outputs, *conv.kernel])


def weight_gradient(emit: Emitter, conv: Convolution, dy: ir.Value | None, x: ir.Value | None) -> ir.Value:
    """dW (K, C/g, kh, kw) in the form that its sizes make fastest."""
    if emit.form == "winograd" and winograd.suits(conv):
        return winograd.weight_gradient(emit, conv, dy, x)
    if conv.group > 1:
        return _grouped_weight_gradient(emit, conv, dy, x)
    if conv.channels >= FEWEST_MATMUL_CHANNELS and conv.filters * conv.channels <= LARGEST_MATMUL_CHANNELS:
        return _weight_gradient_by_matmuls(emit, conv, dy, x)
    return _weight_gradient_by_im2col(emit, conv, dy, x)


def _grouped_weight_gradient(emit: Emitter, conv: Convolution, dy: ir.Value | None, x: ir.Value | None) -> ir.Value:
    small = conv.kernel[0] * conv.kernel[1] <= MOST_PRODUCTS
    many = conv.output[0] * conv.output[1] >= FEWEST_PRODUCT_PIXELS
    if depthwise.suits_weight_gradient(conv) and not (small and many and conv.strides == (1, 1)):
        return depthwise.weight_gradient(emit, conv, dy, x)
    if conv.is_depthwise and conv.strides == (1, 1):
        return _weight_gradient_by_products(emit, conv, dy, x)
    return _weight_gradient_by_conv(emit, conv, dy, x)


def _shifted(emit: Emitter, conv: Convolution, x: ir.Value | None) -> list[ir.Value]:
    """For each kernel position (a, b) the part of the padded x that it meets: xp[.., i*s + a*d, j*s + b*d].

    x is shaped (., ., H, W); each result (., ., Ho, Wo). Row by row over the kernel.
    """
    top, left, bottom, right = conv.pads
    if x is not None and not any(conv.pads) and conv.kernel == conv.strides == (1, 1):
        return [x]
    padded = emit.op("Pad", x, [0, 0, top, left, 0, 0, bottom, right]) if any(conv.pads) else x
    return [emit.op("Slice", padded, start, end, [2, 3], conv.strides) for start, end in conv.shifts]


def _weight_gradient_by_matmuls(emit: Emitter, conv: Convolution, dy: ir.Value | None, x: ir.Value | None) -> ir.Value:
    """dW[:, :, a, b] = sum over n of dY[n] (K, P) @ shifted[n] (C, P)^T, P = Ho * Wo."""
    pixels = conv.output[0] * conv.output[1]
    flat_dy = emit.op("Reshape", dy, [0, conv.filters, pixels])
    positions = []
    for part in _shifted(emit, conv, x):
        flat = emit.op("Reshape", part, [0, conv.channels, pixels])
        products = emit.op("MatMul", flat_dy, emit.op("Transpose", flat, perm=[0, 2, 1]))
        total = emit.op("ReduceSum", products, [0], keepdims=0)
        positions.append(emit.op("Unsqueeze", total, [2]))
    stacked = emit.op("Concat", *positions, axis=2)
    return emit.op("Reshape", stacked, [conv.filters, conv.channels, *conv.kernel])


def _weight_gradient_by_products(emit: Emitter, conv: Convolution, dy: ir.Value | None, x: ir.Value | None) -> ir.Value:
    """dW[c, 0, a, b] = sum over n, i, j of dY[n, c, i, j] * shifted[n, c, i, j], of a depthwise convolution."""
    positions = []
    for part in _shifted(emit, conv, x):
        total = emit.op("ReduceSum", emit.op("Mul", dy, part), [0, 2, 3], keepdims=0)
        positions.append(emit.op("Unsqueeze", total, [1]))
    stacked = emit.op("Concat", *positions, axis=1)
    return emit.op("Reshape", stacked, [conv.filters, 1, *conv.kernel])


def _weight_gradient_by_im2col(emit: Emitter, conv: Convolution, dy: ir.Value | None, x: ir.Value | None) -> ir.Value:
    """dW = dY (K, N*P) @ columns (kh*kw*C, N*P)^T: one Gemm with batch and image merged."""
    channels_first = emit.op("Transpose", x, perm=[1, 0, 2, 3])
    flat_dy = emit.op("Reshape", emit.op("Transpose", dy, perm=[1, 0, 2, 3]), [conv.filters, -1])
    rows = [emit.op("Reshape", part, [conv.channels, -1]) for part in _shifted(emit, conv, channels_first)]
    columns = emit.op("Concat", *rows, axis=0) if len(rows) > 1 else rows[0]
    product = emit.op("Gemm", flat_dy, columns, transB=1)
    by_position = emit.op("Reshape", product, [conv.filters, *conv.kernel, conv.channels])
    return emit.op("Transpose", by_position, perm=[0, 3, 1, 2])


def _weight_gradient_by_conv(emit: Emitter, conv: Convolution, dy: ir.Value | None, x: ir.Value | None) -> ir.Value:
    """dW as a Conv of x with dY as its filters; strides and dilations change places.

    x becomes (C/g, g*N, H, W), dY (K, N, Ho, Wo) with g groups; the result (C/g, K, ..) is cropped to
    the kernel, since a stride may leave rows of x that no window used, and transposed.
    """
    per_group = conv.channels // conv.group
    height, width = conv.image
    grouped = emit.op("Reshape", x, [-1, conv.group, per_group, height * width])
    turned = emit.op("Transpose", grouped, perm=[2, 1, 0, 3])
    # (C/g, g, N, H*W) -> (C/g, g*N, H, W); the batch is symbolic, so it is the dimension left open.
    image = emit.op("Reshape", turned, [per_group, -1, height, width])
    filters = emit.op("Transpose", dy, perm=[1, 0, 2, 3])
    correlated = emit.op(
        "Conv",
        image,
        filters,
        group=conv.group,
        strides=conv.dilations,
        dilations=conv.strides,
        pads=conv.pads,
    )
    cropped = emit.op("Slice", correlated, [0, 0], conv.kernel, [2, 3])
    return emit.op("Transpose", cropped, perm=[1, 0, 2, 3])
