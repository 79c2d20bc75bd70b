"""Winograd's minimal filtering F(2x2, 3x3) with standard operators: 16 products for 4 outputs instead of 36.

With one tile of 4 x 4 inputs d, a 3 x 3 filter g and its 2 x 2 outputs y (A. Lavin and S. Gray, "Fast
Algorithms for Convolutional Neural Networks", CVPR 2016):

    y = A^T [ (G g G^T) * (B^T d B) ] A        elementwise product, summed over the input channels

The three transforms are linear, so the gradients follow by transposing them:

    dU = (A dy A^T) * (B^T d B)                summed over images and tiles
    dg = G^T dU G

A tile is written as a vector of 16, so that `B^T d B` is one product with the Kronecker square of B^T.
Images lie spatial-major, (H, W, N, C): then a row of a tile matrix is one run of N * C numbers, tiles
are gathered by copying whole runs, and nothing has to be turned around between two layers.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tbft_export.convolutions.read import Convolution, Pair
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.layout import from_spatial_major, to_spatial_major

# Interpolation points 0, 1, -1 and infinity. The last row of B^T and the last column of A^T carry the
# opposite sign of the usual form: what is multiplied is the same, and A needs no negation.
_B = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]], np.float32)
_G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
_A = np.array([[1, 1, 1, 0], [0, 1, -1, 1]], np.float32)
INPUT = np.kron(_B, _B)  # (16, 16)
FILTER = np.kron(_G, _G)  # (16, 9)
OUTPUT = np.kron(_A, _A)  # (4, 16)

# With fewer channels than this, the transforms cost more than the products they save.
FEWEST_CHANNELS = 8


def suits(conv: Convolution) -> bool:
    """Whether forward and gradients of `conv` can be written this way, and gain by it."""
    return (
        conv.kernel == (3, 3)
        and conv.strides == (1, 1)
        and conv.dilations == (1, 1)
        and conv.group == 1
        and conv.is_plain
        and min(conv.channels, conv.filters) >= FEWEST_CHANNELS
    )


def convolve(emit: Emitter, conv: Convolution, x: ir.Value | None, w: ir.Value | None) -> ir.Value:
    """The convolution itself: x (N, C, H, W), w (K, C, 3, 3) -> (N, K, Ho, Wo)."""
    filters = _transform_filters(emit, w, FILTER, conv)
    by_channel = emit.op("Transpose", filters, perm=[0, 2, 1])
    tiles = transform_input(emit, x, conv.channels, conv.image, conv.pads, conv.output)
    return _transform_output(emit, emit.op("MatMul", tiles, by_channel), conv.filters, conv.output)


def input_gradient(emit: Emitter, conv: Convolution, dy: ir.Value | None, w: ir.Value | None) -> ir.Value:
    """dX: the convolution of dY with the filters turned by 180 degrees, input and output channels swapped.

    A turned filter is its 9 elements in reverse order, so the turn is in the constant matrix.
    """
    filters = _transform_filters(emit, w, np.ascontiguousarray(FILTER[:, ::-1]), conv)
    tiles = transform_input(emit, dy, conv.filters, conv.output, conv.flipped_pads, conv.image)
    return _transform_output(emit, emit.op("MatMul", tiles, filters), conv.channels, conv.image)


def weight_gradient(emit: Emitter, conv: Convolution, dy: ir.Value | None, x: ir.Value | None) -> ir.Value:
    """dW (K, C, 3, 3). The input's transform is the one that the forward pass made: one node for both."""
    tiles = transform_input(emit, x, conv.channels, conv.image, conv.pads, conv.output)
    transformed = _transform_output_gradient(emit, to_spatial_major(emit, dy), conv)
    by_tile = emit.op("Reshape", transformed, [16, -1, conv.filters])
    return _filter_gradient(emit, by_tile, tiles, conv)


def row_gradient(
    emit: Emitter, conv: Convolution, dy: ir.Value | None, x: ir.Value | None, channels: ir.Value | None
) -> ir.Value:
    """dW[channels] (k, C, 3, 3), of those channels of dY alone; k may be 0, and is then what Reshape finds."""
    tiles = transform_input(emit, x, conv.channels, conv.image, conv.pads, conv.output)
    picked = emit.op("OneHot", channels, conv.filters, [0.0, 1.0], axis=0)
    chosen = emit.op("MatMul", to_spatial_major(emit, dy), picked)
    transformed = _transform_output_gradient(emit, chosen, conv)
    count = emit.op("Shape", tiles, start=1, end=2)
    shape = emit.op("Concat", [16], count, [-1], axis=0)
    return _filter_gradient(emit, emit.op("Reshape", transformed, shape), tiles, conv)


def _filter_gradient(emit: Emitter, gradients: ir.Value, tiles: ir.Value, conv: Convolution) -> ir.Value:
    """dg = G^T dU G: (16, tiles * N, rows), (16, tiles * N, C) -> (rows, C, 3, 3)."""
    by_row = emit.op("Transpose", gradients, perm=[0, 2, 1])
    products = emit.op("MatMul", by_row, tiles)  # (16, rows, C)
    flat = emit.op("Reshape", products, [16, -1])
    dw = emit.op("Gemm", flat, FILTER, transA=1)
    return emit.op("Reshape", dw, [-1, conv.channels, 3, 3])


def transform_input(
    emit: Emitter, x: ir.Value | None, channels: int, image: Pair, pads: tuple[int, int, int, int], output: Pair
) -> ir.Value:
    """B^T d B of every tile: (N, C, H, W) -> (16, tiles * N, C)."""
    height, width = image
    runs = emit.op("Reshape", to_spatial_major(emit, x), [height * width, -1])
    pixels = _tile_pixels(image, pads, output)
    if pixels.max() == height * width:
        runs = emit.op("Pad", runs, [0, 0, 1, 0])  # The row of zeros.
    tiles = emit.op("Gather", runs, pixels, axis=0)
    transformed = emit.op("MatMul", INPUT, emit.op("Reshape", tiles, [16, -1]))
    return emit.op("Reshape", transformed, [16, -1, channels])


def _tile_pixels(image: Pair, pads: tuple[int, int, int, int], output: Pair) -> np.ndarray:
    """(16, tiles): the pixel that stands at each of the 16 places of each tile; H * W is the row of zeros."""
    height, width = image
    rows = 2 * np.arange(-(-output[0] // 2)) - pads[0] + np.arange(4)[:, None]
    columns = 2 * np.arange(-(-output[1] // 2)) - pads[1] + np.arange(4)[:, None]
    y, x = rows[:, None, :, None], columns[None, :, None, :]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return np.where(inside, y * width + x, height * width).reshape(16, -1).astype(np.int32)


def _transform_filters(emit: Emitter, w: ir.Value | None, matrix: np.ndarray, conv: Convolution) -> ir.Value:
    """G g G^T: (K, C, 3, 3) -> (16, K, C). For frozen weights the device folds it when it loads the graph."""
    flat = emit.op("Reshape", w, [conv.filters * conv.channels, 9])
    product = emit.op("Gemm", matrix, flat, transB=1)
    return emit.op("Reshape", product, [16, conv.filters, conv.channels])


def _transform_output(emit: Emitter, products: ir.Value, channels: int, output: Pair) -> ir.Value:
    """A^T m A of every tile, put side by side: (16, tiles * N, K) -> (N, K, Ho, Wo)."""
    rows, columns = -(-output[0] // 2), -(-output[1] // 2)
    flat = emit.op("Reshape", products, [16, -1])
    tiles = emit.op("Reshape", emit.op("MatMul", OUTPUT, flat), [2, 2, rows, columns, -1])
    side_by_side = emit.op("Transpose", tiles, perm=[2, 0, 3, 1, 4])
    image = emit.op("Reshape", side_by_side, [2 * rows, 2 * columns, -1, channels])
    if output != (2 * rows, 2 * columns):
        image = emit.op("Slice", image, [0, 0], output, [0, 1])
    return from_spatial_major(emit, image)


def _transform_output_gradient(emit: Emitter, image: ir.Value, conv: Convolution) -> ir.Value:
    """A dy A^T of every tile: (Ho, Wo, N, channels) -> (16, tiles * N * channels)."""
    height, width = conv.output
    rows, columns = -(-height // 2), -(-width // 2)
    if (height, width) != (2 * rows, 2 * columns):
        image = emit.op("Pad", image, [0, 0, 0, 0, 2 * rows - height, 2 * columns - width, 0, 0])
    tiles = emit.op("Reshape", image, [rows, 2, columns, 2, -1])
    by_place = emit.op("Transpose", tiles, perm=[1, 3, 0, 2, 4])
    flat = emit.op("Reshape", by_place, [4, -1])
    return emit.op("MatMul", np.ascontiguousarray(OUTPUT.T), flat)
