"""Depthwise convolutions whose weights are trained, as products of image rows with band matrices.

With x (N, C, H, W), w (C, 1, kh, kw), stride s, padding p, dilation d, and xp, which is x with p rows of zeros above
and below it:

    y[n, c, i, :] = sum over a of  xp[n, c, i*s + a*d, :] @ T[c, a]      T[c, a][q, j] = w[c, 0, a, b]
                                                                        where q = j*s + b*d - p, for b = 0 .. kw - 1

and 0 elsewhere: T[c, a] (W, Wo) is a band with one row of the kernel on its diagonals, and pads left and right by
what it leaves out. Per channel that is a product of matrices, for which every CPU has a fast kernel, where ONNX
Runtime's convolution works off one image and channel at a time. The gradients follow:

    dX       = the same with the kernel turned by 180 degrees, for stride 1
    dT[c, a] = sum over n, i of  dY[n, c, i, :]^T @ xp[n, c, i*s + a*d, :]       dw[c, 0, a, b] = sum of its diagonal b

Each row of the kernel is a product of its own, so that no more than one shifted copy of the image lives at once.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tbft_export.convolutions.read import Convolution, Pair
from tbft_export.graph.emitter import Emitter

# A band holds W / kw times the numbers of its kernel row, so that wide images multiply mostly by zero. Millions of
# Cortex-A72 instructions of Conv and of this form, for 2 images: 5 x 5, 1152 channels, 7 px 29.5 and 12.6; 672, 14 px
# 36.8 and 19.5; 240, 28 px 35.9 and 30.9; 672, stride 2 from 14 px 19.3 and 10.9.
WIDEST_IMAGE = 28
# ONNX Runtime has a kernel of its own for 3 x 3: 144 channels, 24 px 3.2 and 7.8.
FEWEST_POSITIONS = 10
# The gradient of the weights pays with any kernel (the other forms: 37.1 and 16.9; 55.1 and 31.0; 52.0 and 48.4;
# 21.2 and 13.2; 3 x 3, 6 px 6.2 and 4.5; 3 x 3, stride 2 from 48 px 18.1 and 14.4).
WIDEST_IMAGE_OF_WEIGHTS = 48


def suits(conv: Convolution) -> bool:
    """Whether the convolution itself, and the gradient of its input if it has no stride, gain by this form."""
    positions = conv.kernel[0] * conv.kernel[1]
    return conv.is_depthwise and positions >= FEWEST_POSITIONS and conv.image[1] <= WIDEST_IMAGE


def suits_weight_gradient(conv: Convolution) -> bool:
    """Whether the gradient of the weights gains by this form."""
    return conv.is_depthwise and conv.image[1] <= WIDEST_IMAGE_OF_WEIGHTS


def convolve(emit: Emitter, conv: Convolution, x: ir.Value | None, w: ir.Value | None) -> ir.Value:
    """The convolution itself, without a bias: x (N, C, H, W) -> (N, C, Ho, Wo)."""
    bands = _bands(emit, conv, w, _diagonals(conv.image[1], conv.output[1], conv.pads[1], conv), turned=False)
    rows = _rows_of(emit, conv, x, (conv.pads[0], conv.pads[2]), conv.image[1], conv.output[0], conv.strides[0])
    return _products(emit, conv, rows, bands, conv.output)


def input_gradient(emit: Emitter, conv: Convolution, dy: ir.Value | None, w: ir.Value | None) -> ir.Value:
    """dX (N, C, H, W) of a convolution that `is_plain`."""
    top, left, bottom, _ = conv.flipped_pads
    rows = _rows_of(emit, conv, dy, (top, bottom), conv.output[1], conv.image[0], 1)
    bands = _bands(emit, conv, w, _diagonals(conv.output[1], conv.image[1], left, conv), turned=True)
    return _products(emit, conv, rows, bands, conv.image)


def weight_gradient(emit: Emitter, conv: Convolution, dy: ir.Value | None, x: ir.Value | None) -> ir.Value:
    """dW (C, 1, kh, kw)."""
    (height, width), positions = conv.kernel, conv.kernel[0] * conv.kernel[1]
    columns = emit.op("Transpose", dy, perm=[1, 3, 2, 0])
    columns = emit.op("Reshape", columns, [conv.channels, conv.output[1], -1])
    flat = [conv.channels, conv.output[1] * conv.image[1]]
    gradients = [emit.op("Reshape", emit.op("MatMul", columns, row), flat) for row in _rows_again(emit, conv, x)]
    stacked = emit.op("Concat", *gradients, axis=1)
    # Elements of all bands by kernel position; short diagonals are filled up with the zero at the end.
    diagonals = _diagonals(conv.image[1], conv.output[1], conv.pads[1], conv).T.ravel()
    places = [a * diagonals.size + np.flatnonzero(diagonals == b) for a in range(height) for b in range(width)]
    longest = max(map(len, places))
    zeros = height * diagonals.size
    table = np.full((positions, longest), zeros, np.int32)
    for position, place in enumerate(places):
        table[position, : len(place)] = place
    # Without a transposition: ONNX Runtime would move it behind the result, which then is computed last of all.
    picked = emit.op("Gather", emit.op("Pad", stacked, [0, 0, 0, 1]), table, axis=1)
    sums = emit.op("ReduceSum", picked, [2], keepdims=0)
    return emit.op("Reshape", sums, [conv.channels, 1, height, width])


def _rows_again(emit: Emitter, conv: Convolution, x: ir.Value | None) -> list[ir.Value]:
    """The rows that `convolve` meets, cut out of x once more in the backward pass.

    With one row of zeros more than it takes, so that they are no common subexpressions: shared, kh copies of x would
    be kept from the forward pass on, where x itself is enough.
    """
    padded = emit.op("Pad", x, [0, 0, conv.pads[0], 0, 0, 0, conv.pads[2] + 1, 0])
    return _rows_of(emit, conv, padded, (0, 0), conv.image[1], conv.output[0], conv.strides[0])


def _rows_of(
    emit: Emitter, conv: Convolution, x: ir.Value | None, pads: Pair, width: int, rows: int, stride: int
) -> list[ir.Value]:
    """For each row a of the kernel, the rows of x, padded above and below, that it meets: (C, rows * N, width)."""
    by_row = emit.op("Transpose", x, perm=[1, 2, 0, 3])  # (C, H, N, W): a shift by rows copies whole runs.
    if any(pads):
        by_row = emit.op("Pad", by_row, [0, pads[0], 0, 0, 0, pads[1], 0, 0])
    shifted = []
    for a in range(conv.kernel[0]):
        start = a * conv.dilations[0]
        bounds = ([value] for value in (start, start + (rows - 1) * stride + 1, 1, stride))
        part = emit.op("Slice", by_row, *bounds)
        shifted.append(emit.op("Reshape", part, [conv.channels, -1, width]))
    return shifted


def _diagonals(width: int, outputs: int, left: int, conv: Convolution) -> np.ndarray:
    """(width, outputs): which column b of the kernel joins pixel q with output j; kw where none does."""
    stride = conv.strides[1]
    offsets = np.arange(width)[:, None] + left - stride * np.arange(outputs)[None, :]
    column, off = np.divmod(offsets, conv.dilations[1])
    return np.where((off == 0) & (column >= 0) & (column < conv.kernel[1]), column, conv.kernel[1])


def _bands(
    emit: Emitter, conv: Convolution, w: ir.Value | None, diagonals: np.ndarray, *, turned: bool
) -> list[ir.Value]:
    """T[:, a] for each row a of the kernel, or of the kernel turned by 180 degrees: (C, width, outputs)."""
    height, width = conv.kernel
    positions = height * width
    flat = emit.op("Transpose", emit.op("Reshape", w, [conv.channels, positions]), perm=[1, 0])
    padded = emit.op("Pad", flat, [0, 0, 1, 0])  # The row of zeros.
    bands = []
    for a in range(height):
        position = a * width + diagonals
        position = np.where(diagonals < width, positions - 1 - position if turned else position, positions)
        by_place = emit.op("Gather", padded, position.ravel().astype(np.int32), axis=0)
        shape = [conv.channels, *diagonals.shape]
        bands.append(emit.op("Reshape", emit.op("Transpose", by_place, perm=[1, 0]), shape))
    return bands


def _products(emit: Emitter, conv: Convolution, rows: list[ir.Value], bands: list[ir.Value], output: Pair) -> ir.Value:
    """The sum of the products, as images: (N, C, *output)."""
    total = emit.op("MatMul", rows[0], bands[0])
    for row, band in zip(rows[1:], bands[1:], strict=True):
        total = emit.op("Add", total, emit.op("MatMul", row, band))
    by_row = emit.op("Reshape", total, [conv.channels, output[0], -1, output[1]])
    return emit.op("Transpose", by_row, perm=[2, 0, 1, 3])
