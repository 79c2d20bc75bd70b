"""Write layers that move pixels with operators whose gradient ONNX Runtime Training knows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Set

import numpy as np
import onnx_ir as ir

from tbft_export.graph.behind import nodes_behind
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.nodes import Operand
from tbft_export.graph.operands import constant_input, has_static_shape, known_length
from tbft_export.graph.refusal import refusal
from tbft_export.graph.resize import taps


class WriteOutMovesPass(ir.passes.InPlacePass):
    """A layer behind a trained parameter that ORT has no gradient for, or a wrong one -> one that it gets right.

    ===============================  =======================================================================
    DepthToSpace, SpaceToDepth       Reshape, Transpose, Reshape
    Pad of mode reflect, edge, wrap  a Gather of constant indices on each axis
    Resize by constant scales        on each axis a sum of constant weights * Gather (`graph/resize.py`)
    GlobalMaxPool                    MaxPool over the whole image
    LRN                              x * (bias + alpha / size * Conv(x * x) of a band of ones) ^ -beta
    Split of which a part is unused  a Slice for each other part
    ===============================  =======================================================================

    ORT Training 1.19.2 has no gradient of DepthToSpace, SpaceToDepth, GlobalMaxPool and LRN, none of the other modes of
    Pad, no kernel for that of Resize, and takes the parts of a Split that nobody reads for the others.

    Raises TbftError for a layer that cannot be written so.
    """

    def __init__(self, trainable: Set[str]) -> None:
        super().__init__()
        self.trainable = trainable

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in nodes_behind(model.graph, self.trainable):
            write = _WRITERS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
            modified |= write is not None and write(Emitter(node))
        return ir.passes.PassResult(model, modified)


def _depth_to_space(emit: Emitter) -> bool:
    """y[n, c, i*b + s, j*b + t] = x[n, channel of (s, t, c), i, j], which is s, t, c in mode DCR and c, s, t in CRD."""
    channels, height, width = _image(emit.node)
    block = emit.node.attributes["blocksize"].as_int()
    inner = channels // block**2
    if (emit.node.attributes.get_string("mode", "DCR") or "DCR") == "DCR":
        parts, order = [0, block, block, inner, height, width], [0, 3, 4, 1, 5, 2]
    else:
        parts, order = [0, inner, block, block, height, width], [0, 1, 4, 2, 5, 3]
    turned = emit.op("Transpose", emit.op("Reshape", emit.node.inputs[0], parts), perm=order)
    emit.replace(emit.op("Reshape", turned, [0, inner, height * block, width * block]))
    return True


def _space_to_depth(emit: Emitter) -> bool:
    """y[n, (s, t, c), i, j] = x[n, c, i*b + s, j*b + t]."""
    channels, height, width = _image(emit.node)
    block = emit.node.attributes["blocksize"].as_int()
    rows, columns = height // block, width // block
    parts = emit.op("Reshape", emit.node.inputs[0], [0, channels, rows, block, columns, block])
    turned = emit.op("Transpose", parts, perm=[0, 3, 5, 1, 2, 4])
    emit.replace(emit.op("Reshape", turned, [0, channels * block**2, rows, columns]))
    return True


def _pad(emit: Emitter) -> bool:
    """y[.., k, ..] = x[.., the pixel that the mode puts at k, ..], on one axis after the other."""
    node = emit.node
    mode = node.attributes.get_string("mode", "constant") or "constant"
    if mode == "constant":
        return False
    amounts = constant_input(node, 1)
    shape = _known_shape(node)
    if amounts is None:
        raise refusal(node, "computes how much it pads", "pad by constant numbers")
    y: Operand = node.inputs[0]
    for axis, (begin, end) in enumerate(amounts.reshape(2, -1).T.tolist()):
        if begin or end:
            places = np.arange(known_length(node, shape, axis))
            places = np.pad(places, (max(begin, 0), max(end, 0)), mode=mode)  # type: ignore[call-overload]
            # Negative amounts cut off.
            places = places[max(-begin, 0) : places.size - max(-end, 0)]
            y = emit.op("Gather", y, places, axis=axis)
    emit.replace(_as_value(emit, y))
    return True


def _resize(emit: Emitter) -> bool:
    """y[.., j, ..] = sum over t of w[t, j] * x[.., place[t, j], ..], on one axis after the other."""
    node = emit.node
    if node.attributes.get_string("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        raise refusal(node, "crops while it resizes", "slice, and resize what is left")
    shape = _known_shape(node)
    result = node.outputs[0].shape
    if result is None:
        raise refusal(node, "computes to which size it resizes", "resize to a constant size, or by a constant scale")
    scales = constant_input(node, 2)
    y: Operand = node.inputs[0]
    for axis in range(1, len(shape)):
        before, after = known_length(node, shape, axis), known_length(node, result, axis)
        scale = None if scales is None or scales.size == 0 else float(scales[axis])
        if before == after and scale in (None, 1.0):
            continue
        parts = []
        for places, weights in taps(node, before, after, scale):
            part = emit.op("Gather", y, places, axis=axis)
            trailing = (-1, *[1] * (len(shape) - axis - 1))
            parts.append(part if (weights == 1).all() else emit.op("Mul", part, weights.reshape(trailing)))
        y = functools.reduce(lambda one, other: emit.op("Add", one, other), parts)
    emit.replace(_as_value(emit, y))
    return True


def _global_max_pool(emit: Emitter) -> bool:
    """The same as a MaxPool: the gradient goes to the first of the largest pixels, as PyTorch has it."""
    shape = _known_shape(emit.node)
    kernel = [known_length(emit.node, shape, axis) for axis in range(2, len(shape))]
    emit.replace(emit.op("MaxPool", emit.node.inputs[0], kernel_shape=kernel))
    return True


def _lrn(emit: Emitter) -> bool:
    """y = x * (bias + alpha / size * sum of x^2 over `size` neighbouring channels) ^ -beta."""
    attributes = emit.node.attributes
    shape = _known_shape(emit.node)
    channels, size = known_length(emit.node, shape, 1), attributes["size"].as_int()
    offsets = np.arange(channels)[None, :] - np.arange(channels)[:, None]  # Of each channel that is read.
    band = (offsets >= -((size - 1) // 2)) & (offsets <= size // 2)
    filters = (band * (attributes.get_float("alpha", 1e-4) / size)).astype(np.float32)
    x = emit.node.inputs[0]
    squares = emit.op("Mul", x, x)
    squares.shape = shape  # What is written next asks for it.
    around = emit.op("Conv", squares, filters.reshape(channels, channels, *[1] * (len(shape) - 2)))
    base = emit.op("Add", around, attributes.get_float("bias", 1.0))
    emit.replace(emit.op("Mul", x, emit.op("Pow", base, -attributes.get_float("beta", 0.75))))
    return True


def _split(emit: Emitter) -> bool:
    """part = Slice(x) from where the parts before it end."""
    node = emit.node
    used = [emit.is_needed(number) for number in range(len(node.outputs))]
    if all(used):
        return False
    shape = _known_shape(node)
    axis = node.attributes.get_int("axis", 0) % len(shape)
    lengths = constant_input(node, 1)
    if lengths is None:
        lengths = np.full(len(used), -(-known_length(node, shape, axis) // len(used)))
    ends = np.cumsum(lengths).tolist()
    starts = [0, *ends[:-1]]
    parts = [
        emit.op("Slice", node.inputs[0], [start], [end], [axis]) if wanted else None
        for start, end, wanted in zip(starts, ends, used, strict=True)
    ]
    emit.replace(*parts)
    return True


_WRITERS: Mapping[str, Callable[[Emitter], bool]] = {
    "DepthToSpace": _depth_to_space,
    "GlobalMaxPool": _global_max_pool,
    "LRN": _lrn,
    "Pad": _pad,
    "Resize": _resize,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
}


def _image(node: ir.Node) -> tuple[int, int, int]:
    shape = _known_shape(node)
    if not has_static_shape(node.inputs[0], 4):
        raise refusal(node, "reads no image of known size", "use it on images (N, C, H, W)")
    channels, height, width = (known_length(node, shape, axis) for axis in (1, 2, 3))
    return channels, height, width


def _known_shape(node: ir.Node) -> ir.Shape:
    x = node.inputs[0]
    if x is None or x.shape is None:
        raise refusal(node, "reads a tensor whose size is not known", "write sizes as numbers in the model")
    return x.shape


def _as_value(emit: Emitter, operand: Operand) -> ir.Value:
    """`emit.replace` takes a new value, also where nothing is left to do."""
    if isinstance(operand, ir.Value) and operand is not emit.node.inputs[0]:
        return operand
    return emit.op("Identity", operand)
