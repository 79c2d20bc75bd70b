"""Gradients of what takes elements out of a tensor: each goes back to the place that it came from.

With y[.., k, ..] = x[.., places[k], ..] on one axis of length L,

    dX[.., l, ..] = sum over all k with places[k] = l of  dY[.., k, ..]

A place that nothing was taken from gets 0; one that several were taken from gets their sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from tbft_export.graph.emitter import Emitter
from tbft_export.graph.operands import constant_input, known_length
from tbft_export.graph.refusal import refusal
from tbft_export.lowerings.registry import lowers

# No axis is longer: exporters write such a number for an end that is left out.
_TO_THE_END = 2**31 - 1


@lowers("com.microsoft", "SliceGrad")
def slice_grad(emit: Emitter) -> None:
    """dX = dY where X was sliced, 0 elsewhere; steps may be negative.

    dY, shape of X, starts, ends, axes, steps -> dX. Starts, ends, axes and steps are constants, and the lengths of the
    axes are known; otherwise refused. An axis that is taken whole may have any length, as the batch of x[:, 0].
    """
    dy = emit.node.inputs[0]
    shape = _shape_of_source(emit.node, 1)
    starts, ends = constant_input(emit.node, 2), constant_input(emit.node, 3)
    if starts is None or ends is None:
        raise refusal(emit.node, "computes where it begins or ends", "slice from constant numbers to constant numbers")
    axes = constant_input(emit.node, 4)
    steps = constant_input(emit.node, 5)
    axes = np.arange(starts.size) if axes is None else axes % len(shape)
    steps = np.ones(starts.size, np.int64) if steps is None else steps
    for axis, start, end, step in zip(axes.tolist(), starts.tolist(), ends.tolist(), steps.tolist(), strict=True):
        if (start, step) == (0, 1) and end >= _TO_THE_END:
            continue
        length = known_length(emit.node, shape, axis)
        places = range(length)[start:end:step]
        dy = put_back(emit, dy, axis, len(shape), list(places), length)
    emit.replace(dy)


@lowers("com.microsoft", "GatherGrad")
def gather_grad(emit: Emitter) -> None:
    """dX[.., l, ..] = sum of dY[.., k, ..] over all k with indices[k] = l, on `axis`.

    Shape of X, indices of any rank, dY -> dX. The indices are constants, and the length of the axis is known; otherwise
    refused.
    """
    shape = _shape_of_source(emit.node, 0)
    axis = emit.node.attributes.get_int("axis", 0) % len(shape)
    length = known_length(emit.node, shape, axis)
    indices = constant_input(emit.node, 1)
    if indices is None:
        raise refusal(emit.node, "computes its indices", "index with constant numbers")
    dy = emit.node.inputs[2]
    if indices.ndim != 1:
        # 0 keeps a size where it is known to stand at the same place: all before the axis do. The batch may stand
        # behind it, as in tokens (L, N, E).
        behind = [size if isinstance(size, int) else -1 for size in shape[axis + 1 :]]
        if behind.count(-1) > 1:
            raise refusal(emit.node, "reads a tensor whose size is not known", "write sizes as numbers in the model")
        dy = emit.op("Reshape", dy, [0] * axis + [indices.size, *behind])
    places = (indices.ravel() % length).tolist()
    emit.replace(put_back(emit, dy, axis, len(shape), places, length))


def put_back(
    emit: Emitter, dy: ir.Value | None, axis: int, rank: int, places: Sequence[int], length: int
) -> ir.Value | None:
    """dX from dY, both of that rank: what lies at k on the axis of dY is added at `places[k]` on that of dX.

    Neighbours that stay neighbours are padded with zeros. Otherwise a zero is put behind dY, and a Gather fetches for
    each place of dX what was taken from it, or that zero.
    """
    if list(places) == list(range(length)):
        return dy
    if places and list(places) == list(range(places[0], places[0] + len(places))):
        pads = np.zeros((2, rank), np.int64)
        pads[:, axis] = places[0], length - len(places) - places[0]
        return emit.op("Pad", dy, pads.ravel())
    sources = [[number for number, place in enumerate(places) if place == target] for target in range(length)]
    most = max(map(len, sources), default=0)
    if all(len(each) == 1 for each in sources):
        return emit.op("Gather", dy, np.array(sources, np.int64).ravel(), axis=axis)
    zero = np.zeros((2, rank), np.int64)
    zero[1, axis] = 1
    padded = emit.op("Pad", dy, zero.ravel())
    table = np.array([each + [len(places)] * (most - len(each)) for each in sources], np.int64)
    if most <= 1:
        return emit.op("Gather", padded, table.ravel() if most else np.zeros(length, np.int64), axis=axis)
    return emit.op("ReduceSum", emit.op("Gather", padded, table, axis=axis), [axis + 1], keepdims=0)


def _shape_of_source(node: ir.Node, operand: int) -> ir.Shape:
    """The shape of X, of which ONNX Runtime's gradients are given the sizes."""
    sizes = node.inputs[operand]
    producer = None if sizes is None else sizes.producer()
    source = producer.inputs[0] if producer is not None and producer.op_type == "Shape" else None
    if source is not None and source.shape is not None:
        return source.shape
    constant = constant_input(node, operand)
    if constant is not None:
        return ir.Shape(constant.tolist())
    raise refusal(node, "reads a tensor whose size is not known", "write sizes as numbers in the model")
