"""Operators as they became after the compiler's opset: the table `NEWER`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.operands import constant_input, ints
from tbft_export.sources.onnx.change import Change


def _axes_as_attribute(emit: Emitter) -> None:
    """Reductions: `axes` became an operand, and none of them can mean nothing at all."""
    node = emit.node
    axes = constant_input(node, 1)
    if len(node.inputs) > 1 and node.inputs[1] is not None and axes is None:
        raise _unknown(node, "its axes are")
    keeps = node.attributes.get_int("noop_with_empty_axes", 0)
    if keeps and (axes is None or not axes.size):
        emit.replace(emit.op("Identity", node.inputs[0]))
        return
    node.attributes.pop("noop_with_empty_axes", None)
    if axes is not None and axes.size:
        node.attributes["axes"] = ir.AttrInt64s("axes", axes.reshape(-1).tolist())
    emit.replace(emit.again([node.inputs[0]]))


def _pad(emit: Emitter) -> None:
    """`axes` may name the dimensions that are padded; the others have 0."""
    node = emit.node
    axes, pads = constant_input(node, 3), constant_input(node, 1)
    if len(node.inputs) < 4 or node.inputs[3] is None:
        return
    rank = _rank(node)
    if axes is None or pads is None:
        raise _unknown(node, "its amounts are")
    whole = np.zeros((2, rank), np.int64)
    whole[:, axes] = pads.reshape(2, -1)
    emit.replace(emit.again([node.inputs[0], whole.reshape(-1), node.inputs[2]]))


def _split(emit: Emitter) -> None:
    """`num_outputs` parts, of which the last may be smaller."""
    node = emit.node
    parts = node.attributes.get_int("num_outputs", 0)
    node.attributes.pop("num_outputs", None)
    x, axis = node.inputs[0], node.attributes.get_int("axis", 0)
    size = None if x is None or x.shape is None else x.shape[axis]
    if not parts:
        return
    if not isinstance(size, int):
        raise _unknown(node, "what it splits is")
    each = math.ceil(size / parts)
    sizes = [*([each] * (parts - 1)), size - each * (parts - 1)]
    emit.replace(*emit.ops("Split", parts, x, sizes, axis=axis))


def _resize(emit: Emitter) -> None:
    """`axes` may name the dimensions that are resized; the others stay."""
    node = emit.node
    axes = ints(node, "axes", [])
    if not axes:
        return
    rank = _rank(node)
    node.attributes.pop("axes")
    axes = [axis % rank for axis in axes]
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        node.replace_input_with(3, _all_sizes(emit, axes, rank))
        emit.stay()
        return
    scales = constant_input(node, 2)
    if scales is None:
        raise _unknown(node, "its scales are")
    whole = np.ones(rank, np.float32)
    whole[axes] = scales
    node.replace_input_with(2, emit.constant(whole))


def _all_sizes(emit: Emitter, axes: list[int], rank: int) -> ir.Value:
    """The sizes that a Resize is given for `axes`, among those of its image for the others."""
    x, sizes = emit.node.inputs[0], emit.node.inputs[3]
    own = emit.op("Shape", x)
    picked = [
        emit.op("Gather", sizes, [axes.index(axis)], axis=0) if axis in axes else emit.op("Gather", own, [axis], axis=0)
        for axis in range(rank)
    ]
    return emit.op("Concat", *picked, axis=0)


def _gelu(emit: Emitter) -> None:
    """x / 2 * (1 + erf(x / sqrt(2))), or with tanh for erf where it says so."""
    x = emit.node.inputs[0]
    if emit.node.attributes.get_string("approximate", "none") == "tanh":
        cubed = emit.op("Mul", emit.op("Mul", x, emit.op("Mul", x, x)), 0.044715)
        bent = emit.op("Tanh", emit.op("Mul", emit.op("Add", x, cubed), math.sqrt(2 / math.pi)))
    else:
        bent = emit.op("Erf", emit.op("Div", x, math.sqrt(2)))
    emit.replace(emit.op("Mul", emit.op("Mul", x, emit.op("Add", bent, 1.0)), 0.5))


def _mish(emit: Emitter) -> None:
    """x * tanh(softplus(x))."""
    x = emit.node.inputs[0]
    emit.replace(emit.op("Mul", x, emit.op("Tanh", emit.op("Softplus", x))))


def _swish(emit: Emitter) -> None:
    """x * sigmoid(alpha * x)."""
    x, alpha = emit.node.inputs[0], emit.node.attributes.get_float("alpha", 1.0)
    emit.replace(emit.op("Mul", x, emit.op("Sigmoid", x if alpha == 1.0 else emit.op("Mul", x, alpha))))


def _group_norm(emit: Emitter) -> None:
    """InstanceNormalization of each group as one channel, then scale and shift per channel.

    (N, C, ...) -> (N, G, -1) -> (N, C, ...). Before opset 21 a scale and a bias belonged to a whole group.
    """
    node = emit.node
    x, scale, bias = node.inputs
    groups = node.attributes.get_int("num_groups", 1)
    rank = _rank(node)
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    rows = emit.op("Reshape", x, [0, groups, -1])
    normed = emit.op(
        "InstanceNormalization", rows, np.ones(groups, np.float32), np.zeros(groups, np.float32), epsilon=epsilon
    )
    channels = None if x is None or x.shape is None else x.shape[1]
    size = None if scale is None or scale.shape is None else scale.shape[0]
    y = emit.op("Reshape", normed, emit.op("Shape", x))
    if size == groups != channels:
        raise TbftError(
            f"node '{node.name}' (GroupNormalization) has a scale for a group, not for a channel",
            "export the model again with opset 21 or later, or with opset 17",
        )
    per_channel = [-1, *([1] * (rank - 2))]
    emit.replace(
        emit.op("Add", emit.op("Mul", y, emit.op("Reshape", scale, per_channel)), emit.op("Reshape", bias, per_channel))
    )


def _rms_norm(emit: Emitter) -> None:
    """x / sqrt(mean(x²) + epsilon) * scale over the dimensions from `axis` on."""
    node = emit.node
    x, scale = node.inputs
    axis, rank = node.attributes.get_int("axis", -1), _rank(node)
    axes = list(range(axis % rank, rank))
    squares = emit.op("ReduceMean", emit.op("Mul", x, x), axes=axes, keepdims=1)
    length = emit.op("Sqrt", emit.op("Add", squares, node.attributes.get_float("epsilon", 1e-5)))
    emit.replace(emit.op("Mul", emit.op("Div", x, length), scale))


def _grid_sample(emit: Emitter) -> None:
    """Its modes have other names."""
    node = emit.node
    names = {"linear": "bilinear", "cubic": "bicubic"}
    mode = node.attributes.get_string("mode", "linear") or "linear"
    node.attributes["mode"] = ir.AttrString("mode", names.get(mode, mode))


def _average_pool(emit: Emitter) -> None:
    """Windows without gaps are what they were."""
    if all(each == 1 for each in ints(emit.node, "dilations", [1])):
        emit.node.attributes.pop("dilations", None)


def _without(*names: str) -> Change:
    """Attributes that say how numbers of less than 16 bits, or between types, are rounded: nothing of float32."""

    def rewrite(emit: Emitter) -> None:
        for name in names:
            emit.node.attributes.pop(name, None)

    return Change(18, rewrite)


def _rank(node: ir.Node) -> int:
    x = node.inputs[0]
    if x is None or x.shape is None:
        raise _unknown(node, "the rank of its input is")
    return len(x.shape)


def _unknown(node: ir.Node, what: str) -> TbftError:
    return TbftError(
        f"node '{node.name}' ({node.op_type}) cannot be written in an older opset: {what} not known",
        "export the model again with opset 17, and with fixed sizes",
    )


_REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")

NEWER: Mapping[str, Change] = {
    **{f"Reduce{kind}": Change(18, _axes_as_attribute) for kind in _REDUCTIONS},
    "AveragePool": Change(19, _average_pool),
    "Cast": _without("saturate", "round_mode"),
    "Gelu": Change(20, _gelu),
    "GridSample": Change(20, _grid_sample),
    "GroupNormalization": Change(18, _group_norm),
    "Mish": Change(18, _mish),
    "Pad": Change(18, _pad),
    "QuantizeLinear": _without("saturate"),
    "RMSNormalization": Change(23, _rms_norm),
    "Resize": Change(18, _resize),
    "Split": Change(18, _split),
    "Swish": Change(24, _swish),
}
