"""Operators as they were before the compiler's opset: the table `OLDER`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from tbft_export.graph.emitter import Emitter
from tbft_export.graph.nodes import Operand
from tbft_export.graph.operands import constant_input, ints
from tbft_export.sources.onnx.change import Change


def _again(emit: Emitter, operands: Sequence[Operand], *without: str) -> None:
    """The node on other operands, without these attributes."""
    for name in without:
        emit.node.attributes.pop(name, None)
    emit.replace(emit.again(operands))


def _axes_as_operand(emit: Emitter) -> None:
    """Squeeze, Unsqueeze, ReduceSum: `axes` was an attribute."""
    axes = ints(emit.node, "axes", [])
    _again(emit, [emit.node.inputs[0], *([axes] if axes else [])], "axes")


def _split(emit: Emitter) -> None:
    """`split` was an attribute."""
    node = emit.node
    sizes = ints(node, "split", [])
    axis = node.attributes.get_int("axis", 0)
    emit.replace(*emit.ops("Split", len(node.outputs), node.inputs[0], *([sizes] if sizes else []), axis=axis))


def _clip(emit: Emitter) -> None:
    """`min` and `max` were attributes."""
    bounds = [emit.node.attributes.get_float(name, None) for name in ("min", "max")]
    _again(emit, [emit.node.inputs[0], *bounds], "min", "max")


def _pad(emit: Emitter) -> None:
    """`pads` and `value` were attributes."""
    pads, value = ints(emit.node, "pads", []), emit.node.attributes.get_float("value", 0.0)
    _again(emit, [emit.node.inputs[0], pads, value], "pads", "value")


def _slice(emit: Emitter) -> None:
    """`starts`, `ends` and `axes` were attributes."""
    starts, ends = ints(emit.node, "starts", []), ints(emit.node, "ends", [])
    axes = ints(emit.node, "axes", range(len(starts)))
    _again(emit, [emit.node.inputs[0], starts, ends, axes], "starts", "ends", "axes")


def _top_k(emit: Emitter) -> None:
    """`k` was an attribute."""
    node = emit.node
    axis = node.attributes.get_int("axis", -1)
    emit.replace(*emit.ops("TopK", 2, node.inputs[0], [node.attributes.get_int("k", 1)], axis=axis))


def _softmax(emit: Emitter) -> None:
    """It went over `axis` and everything behind it, as if those were one; `axis` was 1 where it was not said."""
    node = emit.node
    x = node.inputs[0]
    axis = node.attributes.get_int("axis", 1)
    rank = None if x is None or x.shape is None else len(x.shape)
    if axis == -1 or (rank is not None and axis == rank - 1):
        node.attributes["axis"] = ir.AttrInt64("axis", -1)
        return
    rows = emit.op("Flatten", x, axis=axis)
    emit.replace(emit.op("Reshape", emit.op(node.op_type, rows, axis=-1), emit.op("Shape", x)))


def _batch_norm(emit: Emitter) -> None:
    """Further outputs meant training; `spatial` was 1 except in files that no tool reads any more."""
    emit.node.resize_outputs(1)


def _dropout(emit: Emitter) -> None:
    """`ratio` was an attribute; nothing is dropped outside of training."""
    emit.node.attributes.pop("ratio", None)


def _upsample(emit: Emitter) -> None:
    """Resize whose pixels lie at the corner of each cell."""
    node = emit.node
    mode = "nearest" if node.attributes.get_string("mode", "nearest") == "nearest" else "linear"
    emit.replace(_resize_at_corners(emit, node.inputs[1], mode))


def _resize(emit: Emitter) -> None:
    mode = emit.node.attributes.get_string("mode", "nearest")
    emit.replace(_resize_at_corners(emit, emit.node.inputs[1], mode or "nearest"))


def _resize_at_corners(emit: Emitter, scales: ir.Value | None, mode: str) -> ir.Value:
    rounding = {"nearest_mode": "floor"} if mode == "nearest" else {}
    return emit.op(
        "Resize",
        emit.node.inputs[0],
        None,
        scales,
        mode=mode,
        coordinate_transformation_mode="asymmetric",
        **rounding,
    )


def _scatter(emit: Emitter) -> None:
    """It had another name."""
    emit.replace(emit.op("ScatterElements", *emit.node.inputs, axis=emit.node.attributes.get_int("axis", 0)))


def _resize_without_empties(emit: Emitter) -> None:
    """An empty `roi`, or empty `scales`, stood for one that is left out."""
    node = emit.node
    for index in range(1, len(node.inputs)):
        found = constant_input(node, index)
        if found is not None and not np.size(found):
            node.replace_input_with(index, None)


OLDER: Mapping[str, Change] = {
    "BatchNormalization": Change(14, _batch_norm),
    "Clip": Change(11, _clip),
    "Dropout": Change(12, _dropout),
    "Hardmax": Change(13, _softmax),
    "LogSoftmax": Change(13, _softmax),
    "Pad": Change(11, _pad),
    "ReduceSum": Change(13, _axes_as_operand),
    "Resize": Change(13, lambda emit: _resize(emit) if len(emit.node.inputs) == 2 else _resize_without_empties(emit)),
    "Scatter": Change(11, _scatter),
    "Slice": Change(10, _slice),
    "Softmax": Change(13, _softmax),
    "Split": Change(13, _split),
    "Squeeze": Change(13, _axes_as_operand),
    "TopK": Change(10, _top_k),
    "Unsqueeze": Change(13, _axes_as_operand),
    "Upsample": Change(10, _upsample),
}
