"""How operators that do not care about the layout are written spatial-major, one function per kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from tbft_export.emitter import Emitter
from tbft_export.layout import SPATIAL_MAJOR, from_spatial_major, permuted, turns_back

_CHANNELS = 1
_RANK = 4
# A vector over fewer channels than this is repeated for each image first: then it meets runs of N * C
# numbers, and a kernel's inner loop is long enough to pay.
_SHORT_VECTOR = 64
# Axis of (N, C, H, W) -> the same axis of (H, W, N, C).
_NEW_AXIS = {old: new for new, old in enumerate(SPATIAL_MAJOR)}
_ELEMENTWISE = frozenset(
    "Add Sub Mul Div Sum Neg Sqrt Reciprocal Relu Greater Where Cast Clip Exp Sigmoid Tanh".split()  # noqa: SIM905
)


class Turned:
    """The values of a graph that exist in both layouts."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self._spatial: dict[ir.Value, ir.Value] = {}
        self._back: set[ir.Value] = set()
        self._vectors: dict[ir.Value, ir.Value] = {}
        self._batch: ir.Value | None = None

    def is_back(self, value: ir.Value | None) -> bool:
        """Whether `value` was spatial-major a moment ago."""
        return value in self._back

    def meet(self, turn: ir.Node) -> bool:
        """Take note of a turn; one that undoes an earlier one is bypassed (True)."""
        value, result = turn.inputs[0], turn.outputs[0]
        assert value is not None
        if turns_back(turn):
            self.know(result, value)
            return False
        if value in self._spatial:
            ir.convenience.replace_all_uses_with(result, self._spatial[value])
            return True
        self._spatial[value] = result
        return False

    def know(self, value: ir.Value, spatial: ir.Value) -> None:
        """`value` is `spatial`, turned back."""
        self._spatial[value] = spatial
        self._back.add(value)

    def operand(self, emit: Emitter, value: ir.Value | None) -> ir.Value | None:
        """`value`, (N, C, H, W) or broadcast to it, for a spatial-major node. Raises ValueError if unknown."""
        if value is None or value.shape is None:
            raise ValueError("its shape is not known")
        if len(value.shape) == 0 or all(dim == 1 for dim in value.shape):
            return _scalar(emit, value)
        if value in self._spatial:
            return self._spatial[value]
        if len(value.shape) != _RANK:
            raise ValueError("it is no image")
        if _is_vector(value.shape):
            return self._vector(emit, value)
        self._spatial[value] = emit.op("Transpose", value, perm=SPATIAL_MAJOR)
        return self._spatial[value]

    def _vector(self, emit: Emitter, value: ir.Value) -> ir.Value:
        """(1, C, 1, 1) -> (C,), or (N, C) where C is small; both broadcast over the last axes."""
        if value not in self._vectors:
            producer = value.producer()
            source = producer.inputs[0] if producer is not None and producer.op_type == "Reshape" else None
            if source is None or source.shape is None or len(source.shape) != 1:
                source = emit.op("Reshape", value, np.array([-1], np.int64))
            channels = value.shape[_CHANNELS] if value.shape is not None else None
            if isinstance(channels, int) and channels < _SHORT_VECTOR:
                if self._batch is None:
                    self._batch = emit.op("Shape", self.graph.inputs[0], start=0, end=1)
                shape = emit.op("Concat", self._batch, np.array([channels], np.int64), axis=0)
                source = emit.op("Expand", source, shape)
            self._vectors[value] = source
        return self._vectors[value]

    def replace(self, emit: Emitter, *spatial: ir.Value) -> None:
        """Let the spatial-major results take the place of the node's, turned back for who needs that."""
        outputs = list(emit.node.outputs)
        for old, new in zip(outputs, spatial, strict=True):
            new.type = old.type
            if old.shape is not None:
                new.shape = ir.Shape(permuted(list(old.shape)))
        backs = [from_spatial_major(emit, new) for new in spatial]
        emit.replace(*backs)
        for back, new in zip(backs, spatial, strict=True):
            self.know(back, new)


Rule = Callable[[Turned, ir.Node], bool]


def rule_for(node: ir.Node) -> Rule | None:
    """How to write `node` spatial-major, if there is a way."""
    if node.op_type in _ELEMENTWISE:
        return _elementwise
    return {
        "ReduceSum": _reduce,
        "ReduceMean": _reduce,
        "Pad": _pad,
        "Slice": _slice,
        "Concat": _concat,
        "Reshape": _reshape_vector,
        "Size": _size,
    }.get(node.op_type)


def _elementwise(turned: Turned, node: ir.Node) -> bool:
    shape = node.outputs[0].shape
    if shape is None or _is_vector(shape):
        return False  # Vectors are cheap in any layout, and are repeated only where they meet an image.
    emit = Emitter(node)
    try:
        operands = [turned.operand(emit, value) for value in node.inputs]
    except ValueError:
        return False
    turned.replace(emit, emit.again(operands))
    return True


def _reduce(turned: Turned, node: ir.Node) -> bool:
    """Same reduction over renamed axes. Without keepdims the axes that stay must keep their order."""
    axes = _axes_of(node)
    keep = node.attributes.get_int("keepdims", 1)
    if axes is None:
        return False
    left = [_NEW_AXIS[axis] for axis in range(_RANK) if axis not in axes]
    if not keep and left != sorted(left):
        return False
    emit = Emitter(node)
    x = turned.operand(emit, node.inputs[0])
    renamed = sorted(_NEW_AXIS[axis] for axis in axes)
    if node.op_type == "ReduceSum":
        result = emit.op("ReduceSum", x, np.array(renamed, np.int64), keepdims=int(bool(keep)))
    else:
        result = emit.op(node.op_type, x, axes=renamed, keepdims=int(bool(keep)))
    if keep:
        turned.replace(emit, result)
    else:
        emit.replace(result)
    return True


def _axes_of(node: ir.Node) -> list[int] | None:
    if node.op_type == "ReduceSum":
        axes = _constant(node, 1)
        found = None if axes is None else [int(axis) for axis in axes]
    else:
        found = list(node.attributes.get_ints("axes", []) or ()) or None
    return None if found is None else [axis % _RANK for axis in found]


def _pad(turned: Turned, node: ir.Node) -> bool:
    pads = _constant(node, 1)
    if pads is None or pads.size != 2 * _RANK or len(node.inputs) > 3:
        return False
    emit = Emitter(node)
    begins, ends = (permuted(part.tolist()) for part in np.split(pads, 2))
    operands = [
        turned.operand(emit, node.inputs[0]),
        emit.constant(np.array(begins + ends, np.int64)),
        *node.inputs[2:],
    ]
    turned.replace(emit, emit.again(operands))
    return True


def _slice(turned: Turned, node: ir.Node) -> bool:
    axes = _constant(node, 3)
    if axes is None:
        return False
    emit = Emitter(node)
    renamed = np.array([_NEW_AXIS[int(axis) % _RANK] for axis in axes], np.int64)
    operands = [
        turned.operand(emit, node.inputs[0]),
        *node.inputs[1:3],
        emit.constant(renamed),
        *node.inputs[4:],
    ]
    turned.replace(emit, emit.again(operands))
    return True


def _concat(turned: Turned, node: ir.Node) -> bool:
    emit = Emitter(node)
    try:
        operands = [turned.operand(emit, value) for value in node.inputs]
    except ValueError:
        return False
    axis = (node.attributes.get_int("axis", 0) or 0) % _RANK
    turned.replace(emit, emit.op("Concat", *operands, axis=_NEW_AXIS[axis]))
    return True


def _reshape_vector(turned: Turned, node: ir.Node) -> bool:
    """A vector of one value per channel has the same numbers in both layouts."""
    value = node.inputs[0]
    if value is None or value.shape is None or not _is_vector(value.shape):
        return False
    emit = Emitter(node)
    emit.replace(emit.again([turned.operand(emit, value), *node.inputs[1:]]))
    return True


def _size(turned: Turned, node: ir.Node) -> bool:
    emit = Emitter(node)
    emit.replace(emit.op("Size", turned.operand(emit, node.inputs[0])))
    return True


def _constant(node: ir.Node, index: int) -> np.ndarray | None:
    value = node.inputs[index] if index < len(node.inputs) else None
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def _is_vector(shape: ir.Shape) -> bool:
    return len(shape) == _RANK and all(dim == 1 for axis, dim in enumerate(shape) if axis != _CHANNELS)


def _scalar(emit: Emitter, value: ir.Value) -> ir.Value:
    return (
        value
        if value.shape is not None and len(value.shape) <= 1
        else emit.op("Reshape", value, np.array([1], np.int64))
    )
