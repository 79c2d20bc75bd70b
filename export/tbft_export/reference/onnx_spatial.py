"""ONNX operators that look at windows, move pixels or take some out, computed by PyTorch: `SPATIAL_OPERATORS`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional

from tbft_export.graph.operands import constant_input, ints
from tbft_export.graph.resize import taps
from tbft_export.reference.onnx_operators import Operands, Operator, operand

_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
_TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
_MAX_POOLS = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
_AVERAGE_POOLS = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def _axes(x: Tensor) -> int:
    """How many axes an image (N, C, ...) has."""
    return x.dim() - 2


def _padded(node: ir.Node, x: Tensor, value: float = 0.0) -> Tensor:
    pads = ints(node, "pads", [0] * 2 * _axes(x))
    return functional.pad(x, _last_first(pads), value=value)


def _last_first(pads: list[int]) -> list[int]:
    """All begins, then all ends -> pairs, beginning with the last axis, as PyTorch takes them."""
    begins, ends = pads[: len(pads) // 2], pads[len(pads) // 2 :]
    return [amount for pair in reversed(list(zip(begins, ends, strict=True))) for amount in pair]


def _conv(node: ir.Node, x: Operands) -> Tensor:
    axes = _axes(x[0])
    result: Tensor = _CONVOLUTIONS[axes](
        _padded(node, x[0]),
        x[1],
        x[2] if len(x) > 2 else None,
        stride=ints(node, "strides", [1] * axes),
        dilation=ints(node, "dilations", [1] * axes),
        groups=node.attributes.get_int("group", 1),
    )
    return result


def _conv_transpose(node: ir.Node, x: Operands) -> Tensor:
    """Of the whole result; what the pads cut off is cut off then, since PyTorch cuts as much on both sides."""
    axes = _axes(x[0])
    whole: Tensor = _TRANSPOSED[axes](
        x[0],
        x[1],
        x[2] if len(x) > 2 else None,
        stride=ints(node, "strides", [1] * axes),
        dilation=ints(node, "dilations", [1] * axes),
        groups=node.attributes.get_int("group", 1),
    )
    pads, spare = ints(node, "pads", [0] * 2 * axes), ints(node, "output_padding", [0] * axes)
    # Rows of nothing but the bias follow where more is asked for than was cut off.
    bias = x[2] if len(x) > 2 else whole.new_zeros(whole.shape[1])
    bias = bias.reshape(1, -1, *[1] * axes)
    ends = [extra - end for extra, end in zip(spare, pads[axes:], strict=True)]
    return functional.pad(whole - bias, _last_first([-begin for begin in pads[:axes]] + ends)) + bias


def _max_pool(node: ir.Node, x: Operands) -> Tensor:
    axes = _axes(x[0])
    result: Tensor = _MAX_POOLS[axes](
        _padded(node, x[0], float("-inf")),
        ints(node, "kernel_shape", []),
        ints(node, "strides", [1] * axes),
        dilation=ints(node, "dilations", [1] * axes),
        ceil_mode=bool(node.attributes.get_int("ceil_mode", 0)),
    )
    return result


def _average_pool(node: ir.Node, x: Operands) -> Tensor:
    axes = _axes(x[0])

    def average(values: Tensor) -> Tensor:
        kernel, strides = ints(node, "kernel_shape", []), ints(node, "strides", [1] * axes)
        ceil = bool(node.attributes.get_int("ceil_mode", 0))
        result: Tensor = _AVERAGE_POOLS[axes](_padded(node, values), kernel, strides, ceil_mode=ceil)
        return result

    if node.attributes.get_int("count_include_pad", 0) or not any(ints(node, "pads", [0])):
        return average(x[0])
    return average(x[0]) / average(torch.ones_like(x[0]))


def _global_max_pool(_node: ir.Node, x: Operands) -> Tensor:
    flat = x[0].flatten(2)
    # The gradient goes to one of several that are equal.
    return flat.gather(2, flat.argmax(2, keepdim=True)).reshape(*x[0].shape[:2], *[1] * _axes(x[0]))


def _pad(node: ir.Node, x: Operands) -> Tensor:
    mode = node.attributes.get_string("mode", "constant") or "constant"
    amounts = x[1].reshape(2, -1).T.tolist()
    result = x[0]
    for axis, (begin, end) in enumerate(amounts):
        if mode == "constant":
            continue
        places = np.pad(np.arange(result.shape[axis]), (max(begin, 0), max(end, 0)), mode=mode)  # type: ignore[call-overload]
        places = places[max(-begin, 0) : places.size - max(-end, 0)]
        result = result.index_select(axis, torch.from_numpy(places))
    if mode == "constant":
        return functional.pad(result, _last_first(x[1].tolist()), value=float(x[2]) if len(x) > 2 else 0.0)
    return result


def _resize(node: ir.Node, x: Operands) -> Tensor:
    result, shape = x[0], node.outputs[0].shape
    scales = constant_input(node, 2)
    assert shape is not None
    if isinstance(shape[0], int) and shape[0] != len(result):
        raise RuntimeError(f"resizes {len(result)} images to {shape[0]}")
    for axis in range(1, result.dim()):
        before, after = result.shape[axis], int(shape[axis])  # type: ignore[arg-type]
        scale = None if scales is None or scales.size == 0 else float(scales[axis])
        if before == after and scale in (None, 1.0):
            continue
        total = torch.zeros(())
        for places, weights in taps(node, before, after, scale):
            weight = torch.from_numpy(weights).to(result.dtype).reshape(-1, *[1] * (result.dim() - axis - 1))
            total = total + weight * result.index_select(axis, torch.from_numpy(places))
        result = total
    return result


def _shape(node: ir.Node, x: Operands) -> Tensor:
    """What sizes with the batch in it are made of."""
    start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end", x[0].dim())
    return torch.tensor(x[0].shape[start:end], dtype=torch.int64)


def _slice(node: ir.Node, x: Operands) -> Tensor:
    starts, ends = x[1].tolist(), x[2].tolist()
    axes, steps = operand(node, x, 3), operand(node, x, 4)
    each_axis = range(len(starts)) if axes is None else axes.tolist()
    each_step = [1] * len(starts) if steps is None else steps.tolist()
    backwards = [axis for axis, step in zip(each_axis, each_step, strict=True) if step < 0]
    # PyTorch has no negative steps, and index by index it takes three times as long.
    y = x[0].flip(backwards) if backwards else x[0]
    places = [slice(None)] * y.dim()
    for start, end, axis, step in zip(starts, ends, each_axis, each_step, strict=True):
        length = y.shape[axis]
        if step < 0:
            # ONNX begins inside, also where Python's slice would be empty.
            first = min(max(start + length if start < 0 else start, 0), length - 1)
            last = max(end + length, -1) if end < 0 else end
            places[axis] = slice(length - 1 - first, max(length - 1 - last, 0), -step)
        else:
            # What a slice of a Python sequence of that length holds; ONNX clamps in the same way.
            chosen = range(length)[start:end:step]
            places[axis] = slice(chosen.start, chosen.stop, chosen.step)
    return y[tuple(places)]


def _gather(node: ir.Node, x: Operands) -> Tensor:
    axis = node.attributes.get_int("axis", 0) % x[0].dim()
    indices = x[1].to(torch.int64)
    flat = x[0].index_select(axis, indices.flatten() % x[0].shape[axis])
    return flat.reshape((*x[0].shape[:axis], *indices.shape, *x[0].shape[axis + 1 :]))


def _split(node: ir.Node, x: Operands) -> tuple[Tensor, ...]:
    axis = node.attributes.get_int("axis", 0)
    lengths = x[1].tolist() if len(x) > 1 else -(-x[0].shape[axis] // len(node.outputs))
    parts: tuple[Tensor, ...] = torch.split(x[0], lengths, axis)
    return parts


def _depth_to_space(node: ir.Node, x: Operands) -> Tensor:
    block = node.attributes["blocksize"].as_int()
    if node.attributes.get_string("mode", "DCR") == "CRD":
        return functional.pixel_shuffle(x[0], block)
    # The channels of a place stand last there, and first in PyTorch.
    images, channels, height, width = x[0].shape
    places = x[0].reshape(images, block**2, -1, height, width).transpose(1, 2)
    turned = places.reshape(images, channels, height, width)
    return functional.pixel_shuffle(turned, block)


def _space_to_depth(node: ir.Node, x: Operands) -> Tensor:
    block = node.attributes["blocksize"].as_int()
    places = functional.pixel_unshuffle(x[0], block)
    images, channels, height, width = places.shape
    turned = places.reshape(images, -1, block**2, height, width).transpose(1, 2)
    return turned.reshape(images, channels, height, width)


def _lrn(node: ir.Node, x: Operands) -> Tensor:
    size = node.attributes["size"].as_int()
    ahead, behind = (size - 1) // 2, size // 2
    padded = functional.pad(x[0] ** 2, [0, 0] * _axes(x[0]) + [ahead, behind])
    squares = padded.unfold(1, size, 1).sum(-1)
    alpha, beta = node.attributes.get_float("alpha", 1e-4), node.attributes.get_float("beta", 0.75)
    return x[0] / (node.attributes.get_float("bias", 1.0) + alpha / size * squares) ** beta


# Operands are those that are there; a node of several results gives a tuple of them.
SPATIAL_OPERATORS: Mapping[str, Operator] = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "Expand": lambda _node, x: x[0] * torch.ones(x[1].tolist(), dtype=x[0].dtype),
    "Gather": _gather,
    "GlobalAveragePool": lambda _node, x: torch.mean(x[0], dim=tuple(range(2, x[0].dim())), keepdim=True),
    "GlobalMaxPool": _global_max_pool,
    "LRN": _lrn,
    "MaxPool": _max_pool,
    "Pad": _pad,
    "Resize": _resize,
    "Shape": _shape,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Tile": lambda _node, x: x[0].repeat(x[1].tolist()),
    "Where": lambda _node, x: torch.where(x[0], x[1], x[2]),
}
