"""The gradient of chosen rows of a convolution's weight: no product is made for the other output channels.

A row o of w (K, C/g, kh, kw) makes output channel o alone, so its gradient needs that channel of dY alone. With the
names of `lowerings.conv`, and x at pixel u = i*s + a*d - p along each axis:

    dW[o, c, a, b] = sum over n, u, v of  x[n, c, u, v] * dY[n, o, (u + p - a*d) / s, (v + p - b*d) / s]

where dY counts as 0 outside the image and between strides. What is moved to meet the kernel's positions is then dY,
of which only the chosen channels are left, and not x: work and memory grow with their number k, and are none for
k = 0. (`lowerings.conv` moves x, which is as much work for one row as for all.)

Which channels, and how many, only the device knows: k is a symbolic dimension, and may be 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tbft_export.convolutions import winograd
from tbft_export.convolutions.read import Convolution, Pair, read_convolution
from tbft_export.graph.activations import GRADIENT_DOMAIN
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.layout import to_spatial_major
from tbft_export.lowerings.registry import lowers

CONV_ROWS_GRAD = "ConvRowsGrad"

# With fewer pixels than this, products of one image are too short to pay (7 x 7: 2 to 4 times slower), and images are
# merged into one Gemm. With more, a MatMul per image needs no turned copy of x.
FEWEST_PIXELS = 100


@lowers(GRADIENT_DOMAIN, CONV_ROWS_GRAD)
def conv_rows_grad(emit: Emitter) -> None:
    """dW[channels] of ConvGrad: from dY[:, channels] (N, k, Ho, Wo) alone; nothing is computed where k is 0.

    dY, x, w, channels (k,) int64 -> (k, C/g, kh, kw), with the attributes of the convolution. Refuses what ConvGrad
    refuses.
    """
    dy, x, w, channels = emit.node.inputs
    conv = read_convolution(emit.node, x, w)
    if conv.group > 1:
        rows = _grouped(emit, conv, dy, x, channels)
    elif emit.form == "winograd" and winograd.suits(conv):
        rows = winograd.row_gradient(emit, conv, dy, x, channels)
    else:
        rows = _dense(emit, conv, dy, x, channels)
    emit.replace(rows)


@dataclass(frozen=True)
class _Phase:
    """The pixels start, start + s, .. of x, `size` of them, and which kernel positions meet them.

    `positions`: the index of a position in the kernel, and by how many pixels of the phase dY is moved for it.
    """

    start: Pair
    size: Pair
    positions: tuple[tuple[int, Pair], ...]


def _phases(conv: Convolution) -> list[_Phase]:
    """With u = s*t + r, position a meets phase r = (a*d - p) mod s, and dY there is dY[t - q], q = (a*d - p) div s.

    A position that meets no pixel of x goes to the phase 0, with dY moved out of it.
    """
    found: dict[Pair, list[tuple[int, Pair]]] = {}
    for index, position in enumerate(np.ndindex(*conv.kernel)):
        starts, moves = zip(*(_meets(conv, axis, position[axis]) for axis in (0, 1)), strict=True)
        found.setdefault(starts, []).append((index, moves))
    return [
        _Phase(start, (_phase_size(conv, 0, start[0]), _phase_size(conv, 1, start[1])), tuple(positions))
        for start, positions in sorted(found.items())
    ]


def _meets(conv: Convolution, axis: int, position: int) -> tuple[int, int]:
    move, start = divmod(position * conv.dilations[axis] - conv.pads[axis], conv.strides[axis])
    size = _phase_size(conv, axis, start)
    if size <= 0:
        return 0, _phase_size(conv, axis, 0)
    return start, max(-conv.output[axis], min(move, size))


def _phase_size(conv: Convolution, axis: int, start: int) -> int:
    return -(-(conv.image[axis] - start) // conv.strides[axis])


def _dense(
    emit: Emitter, conv: Convolution, dy: ir.Value | None, x: ir.Value | None, channels: ir.Value | None
) -> ir.Value:
    """Per phase, moved dY (m*k, N*P) @ x (N*P, C) for its m kernel positions; P pixels."""
    chosen = emit.op("Gather", dy, channels, axis=1)
    products = _merged_products if conv.output[0] * conv.output[1] < FEWEST_PIXELS else _products
    phases = _phases(conv)
    parts = [products(emit, conv, phase, chosen, x, channels) for phase in phases]
    joined = emit.op("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]
    shape = [-1, conv.channels, *conv.kernel]
    order = [index for phase in phases for index, _ in phase.positions]
    if len(order) == 1:
        return emit.op("Reshape", joined, shape)
    by_position = emit.op("Reshape", joined, [len(order), -1, conv.channels])
    if order != sorted(order):
        by_position = emit.op("Gather", by_position, np.argsort(order), axis=0)
    return emit.op("Reshape", emit.op("Transpose", by_position, perm=[1, 2, 0]), shape)


def _products(
    emit: Emitter, conv: Convolution, phase: _Phase, chosen: ir.Value, x: ir.Value | None, channels: ir.Value | None
) -> ir.Value:
    """(m*k, C), summed over a product per image. What is turned for it is the side that shrinks with k."""
    moved = _all_moved(emit, conv, phase, chosen, axis=1)
    pixels = x if phase.size == conv.image else _pixels(emit, conv, phase, x, channels)
    flat = [0, -1, phase.size[0] * phase.size[1]]
    turned = emit.op("Transpose", emit.op("Reshape", moved, flat), perm=[0, 2, 1])
    products = emit.op("MatMul", emit.op("Reshape", pixels, flat), turned)
    total = emit.op("ReduceSum", products, [0], keepdims=0)
    return emit.op("Transpose", total, perm=[1, 0])


def _merged_products(
    emit: Emitter, conv: Convolution, phase: _Phase, chosen: ir.Value, x: ir.Value | None, channels: ir.Value | None
) -> ir.Value:
    """(m*k, C), as one product over all images."""
    by_channel = emit.op("Transpose", chosen, perm=[1, 0, 2, 3])
    moved = _all_moved(emit, conv, phase, by_channel, axis=0)
    pixels = emit.op("Transpose", _pixels(emit, conv, phase, x, channels), perm=[1, 0, 2, 3])
    return emit.op("Gemm", emit.op("Flatten", moved, axis=1), emit.op("Flatten", pixels, axis=1), transB=1)


def _all_moved(emit: Emitter, conv: Convolution, phase: _Phase, chosen: ir.Value, axis: int) -> ir.Value:
    """dY for each kernel position of the phase, side by side on the axis of the channels."""
    moved = [_moved(emit, conv, phase, chosen, move) for _, move in phase.positions]
    return emit.op("Concat", *moved, axis=axis) if len(moved) > 1 else moved[0]


def _moved(emit: Emitter, conv: Convolution, phase: _Phase, chosen: ir.Value, move: Pair) -> ir.Value:
    """dY[t - q] for every t of the phase: zeros where it begins later, less where it began before."""
    ends = [size - output - by for size, output, by in zip(phase.size, conv.output, move, strict=True)]
    if not any((*move, *ends)):
        return chosen
    if any(by in (-output, size) for size, output, by in zip(phase.size, conv.output, move, strict=True)):
        # ONNX Runtime's Pad reads past an image of which it cuts off everything.
        shape = emit.op("Concat", emit.op("Shape", chosen, end=2), phase.size, axis=0)
        return emit.op("Expand", [0.0], shape)
    return emit.op("Pad", chosen, [0, 0, *move, 0, 0, *ends])


def _pixels(emit: Emitter, conv: Convolution, phase: _Phase, x: ir.Value | None, channels: ir.Value | None) -> ir.Value:
    """The phase of x; none of its channels where no row is chosen, so that nothing is copied for nothing."""
    # Slice takes an end past the last channel as all of them: k * C is none or all.
    count = emit.op("Mul", emit.op("Shape", channels), [conv.channels])
    ends = emit.op("Concat", count, conv.image, axis=0)
    return emit.op("Slice", x, [0, *phase.start], ends, [1, 2, 3], [1, *conv.strides])


def _grouped(
    emit: Emitter, conv: Convolution, dy: ir.Value | None, x: ir.Value | None, channels: ir.Value | None
) -> ir.Value:
    """Of x, too, only the C/g channels that a chosen row reads: products with moved x, summed. Depthwise: C/g = 1.

    Spatial-major: a moved image is then a few long runs, and what is summed lies in columns.
    """
    per_group = conv.channels // conv.group
    group = emit.op("Div", channels, conv.filters // conv.group)
    read = emit.op("Mul", group, per_group) if per_group > 1 else group
    if per_group > 1:
        each = emit.op("Add", emit.op("Unsqueeze", read, [1]), np.arange(per_group)[None])
        read = emit.op("Reshape", each, [-1])
    by_row = [0, 0, 0, -1, per_group]
    chosen = to_spatial_major(emit, emit.op("Gather", dy, channels, axis=1))
    if per_group > 1:
        chosen = emit.op("Unsqueeze", chosen, [4])
    image = to_spatial_major(emit, emit.op("Gather", x, read, axis=1))
    sums = []
    for part in _shifted(emit, conv, image):
        by_group = emit.op("Reshape", part, by_row) if per_group > 1 else part
        sums.append(emit.op("ReduceSum", emit.op("Mul", by_group, chosen), [0, 1, 2], keepdims=0))
    positions = [emit.op("Unsqueeze", each, [-1]) for each in sums]
    stacked = emit.op("Concat", *positions, axis=-1) if len(positions) > 1 else positions[0]
    return emit.op("Reshape", stacked, [-1, per_group, *conv.kernel])


def _shifted(emit: Emitter, conv: Convolution, image: ir.Value) -> list[ir.Value]:
    """For each kernel position (a, b) the part of the padded x that it meets, (Ho, Wo, N, .); row by row."""
    top, left, bottom, right = conv.pads
    if any(conv.pads):
        image = emit.op("Pad", image, [top, left, 0, 0, bottom, right, 0, 0])
    return [emit.op("Slice", image, start, end, [0, 1], conv.strides) for start, end in conv.shifts]
