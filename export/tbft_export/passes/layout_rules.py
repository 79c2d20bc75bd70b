"""How operators that do not care about the layout are written spatial-major, one function per kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from tbft_export.graph.activations import ACTIVATIONS
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.layout import SPATIAL_MAJOR, from_spatial_major, permuted, turns_back
from tbft_export.graph.operands import constant_input, ints

_CHANNELS = 1
_RANK = 4
# A vector over fewer channels than this is repeated for each column and image first: then it meets runs of W * N * C
# numbers, and a kernel's inner loop is long enough to pay.
_SHORT_VECTOR = 512
# Axis of (N, C, H, W) -> the same axis of (H, W, N, C).
_NEW_AXIS = {old: new for new, old in enumerate(SPATIAL_MAJOR)}
_ELEMENTWISE = frozenset(
    (
        *("Add", "Sub", "Mul", "Div", "Sum", "Neg", "Sqrt", "Reciprocal", "Exp", "Log", "Pow", "Abs", "Max", "Min"),
        *("Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal", "And", "Or", "Not", "Where", "Cast"),
        *("Relu", "LeakyRelu", "Sigmoid", "Tanh", "Erf", "Sin", "Cos"),
    )
) | {kind.op_type for kind in ACTIVATIONS.values()}

_Sizes = tuple[str, str]


class Turned:
    """The values of a graph that exist in both layouts."""

    def __init__(self) -> None:
        self._spatial: dict[ir.Value, ir.Value] = {}
        self._back: set[ir.Value] = set()
        self._vectors: dict[tuple[ir.Value, _Sizes | None], ir.Value] = {}
        self._shapes: dict[tuple[_Sizes | None, int], ir.Value] = {}

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
        if value in self._spatial and not result.is_graph_output():
            ir.convenience.replace_all_uses_with(result, self._spatial[value])
            return True
        self._spatial[value] = result
        return False

    def know(self, value: ir.Value, spatial: ir.Value) -> None:
        """`value` is `spatial`, turned back."""
        self._spatial[value] = spatial
        self._back.add(value)

    def image(self, emit: Emitter, value: ir.Value) -> ir.Value:
        """`value`, (N, C, H, W), as (H, W, N, C)."""
        if value not in self._spatial:
            self._spatial[value] = emit.op("Transpose", value, perm=SPATIAL_MAJOR)
        return self._spatial[value]

    def operand(self, emit: Emitter, value: ir.Value) -> ir.Value:
        """`value`, a scalar or (N, C, H, W) or broadcast to it, for a spatial-major elementwise node."""
        if _is_scalar(value):
            return _scalar(emit, value)
        if value.shape is not None and _is_vector(value.shape):
            return self._vector(emit, value)
        return self.image(emit, value)

    def _vector(self, emit: Emitter, value: ir.Value) -> ir.Value:
        """(1, C, 1, 1) -> (C,), or (W, N, C) where C is small; both broadcast over the last axes.

        W and N are those of the image which the vector meets here: another image may have others.
        """
        image = next((other for other in emit.node.inputs if other in self._back and _open_batch(other)), None)
        channels = value.shape[_CHANNELS] if value.shape is not None else None
        if not isinstance(channels, int) or channels >= _SHORT_VECTOR:
            image = None
        key = (value, _columns_and_batch(image))
        if key not in self._vectors:
            vector = _flat(emit, self._spatial.get(value, value))
            if image is not None and isinstance(channels, int):
                vector = emit.op("Expand", vector, self._rows_shape(emit, image, channels))
            self._vectors[key] = vector
        return self._vectors[key]

    def _rows_shape(self, emit: Emitter, image: ir.Value, channels: int) -> ir.Value:
        """(W, N, C) of the images with the same W and N as `image`."""
        key = (_columns_and_batch(image), channels)
        if key not in self._shapes:
            sizes = emit.op("Shape", self._spatial[image], start=1, end=3)
            self._shapes[key] = emit.op("Concat", sizes, [channels], axis=0)
        return self._shapes[key]

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
    if shape is None or len(shape) != _RANK or _is_vector(shape):
        return False  # Vectors are cheap in any layout, and are repeated only where they meet an image.
    values = [value for value in node.inputs if value is not None and (_is_image(value) or _is_scalar(value))]
    if len(values) < len(node.inputs):
        return False  # Not known, or broadcast from fewer dimensions.
    emit = Emitter(node)
    turned.replace(emit, emit.again([turned.operand(emit, value) for value in values]))
    return True


def _reduce(turned: Turned, node: ir.Node) -> bool:
    """Same reduction over renamed axes. Without keepdims the axes that stay must keep their order."""
    axes = _axes_of(node)
    keep = node.attributes.get_int("keepdims", 1)
    x = node.inputs[0]
    if not axes or x is None:
        return False  # No axes stand for all of them, or for none.
    left = [_NEW_AXIS[axis] for axis in range(_RANK) if axis not in axes]
    if not keep and left != sorted(left):
        return False
    emit = Emitter(node)
    spatial = turned.image(emit, x)
    renamed = sorted(_NEW_AXIS[axis] for axis in axes)
    result = _over_channels(emit, spatial, x.shape) if left == [_NEW_AXIS[_CHANNELS]] and keep else None
    if result is None:
        result = _reduced(emit, spatial, renamed, keep=bool(keep))
    if keep:
        turned.replace(emit, result)
    else:
        emit.replace(result)
    return True


def _over_channels(emit: Emitter, spatial: ir.Value, shape: ir.Shape | None) -> ir.Value | None:
    """The reduction of (H, W, N, C) to (1, 1, 1, C); None where H, W or C are not known.

    Pixels are added up by a matrix product, N * C numbers at a time: the kernels that reduce take five times as long,
    since their inner loop goes over C numbers.
    """
    sizes = [] if shape is None else [dim for dim in list(shape)[1:] if isinstance(dim, int)]
    if len(sizes) < _RANK - 1:
        return None
    channels, height, width = sizes
    pixels = height * width
    matrix = emit.op("Reshape", spatial, [pixels, -1])
    sums = emit.op("Reshape", emit.op("MatMul", np.ones((1, pixels), np.float32), matrix), [-1, channels])
    result = _reduced(emit, sums, [0], keep=False)
    if emit.node.op_type == "ReduceMean":
        # Not by 1 / pixels as a constant: of 49 that is no float32, and each mean would be off by its rounding.
        result = emit.op("Div", result, float(pixels))
    return emit.op("Reshape", result, [1, 1, 1, channels])


def _reduced(emit: Emitter, value: ir.Value, axes: list[int], *, keep: bool) -> ir.Value:
    if emit.node.op_type == "ReduceSum":
        return emit.op("ReduceSum", value, axes, keepdims=int(keep))
    return emit.op(emit.node.op_type, value, axes=axes, keepdims=int(keep))


def _axes_of(node: ir.Node) -> list[int] | None:
    if node.op_type == "ReduceSum":
        axes = constant_input(node, 1)
        found = None if axes is None else [int(axis) for axis in axes]
    else:
        found = ints(node, "axes", ()) or None
    return None if found is None else [axis % _RANK for axis in found]


def _pad(turned: Turned, node: ir.Node) -> bool:
    x, pads = node.inputs[0], constant_input(node, 1)
    if x is None or pads is None or pads.size != 2 * _RANK or len(node.inputs) > 3:
        return False
    emit = Emitter(node)
    begins, ends = (permuted(part.tolist()) for part in np.split(pads, 2))
    operands = [turned.image(emit, x), begins + ends, *node.inputs[2:]]
    turned.replace(emit, emit.again(operands))
    return True


def _slice(turned: Turned, node: ir.Node) -> bool:
    x, axes = node.inputs[0], constant_input(node, 3)
    if x is None or axes is None:
        return False
    emit = Emitter(node)
    renamed = [_NEW_AXIS[int(axis) % _RANK] for axis in axes]
    operands = [turned.image(emit, x), *node.inputs[1:3], renamed, *node.inputs[4:]]
    turned.replace(emit, emit.again(operands))
    return True


def _concat(turned: Turned, node: ir.Node) -> bool:
    images = [value for value in node.inputs if value is not None and _is_image(value)]
    if len(images) < len(node.inputs):
        return False
    emit = Emitter(node)
    axis = node.attributes.get_int("axis", 0) % _RANK
    operands = [turned.image(emit, value) for value in images]
    turned.replace(emit, emit.op("Concat", *operands, axis=_NEW_AXIS[axis]))
    return True


def _reshape_vector(turned: Turned, node: ir.Node) -> bool:
    """A vector of one value per channel has the same numbers in both layouts."""
    value, target = node.inputs[0], constant_input(node, 1)
    if value is None or value.shape is None or not _is_vector(value.shape):
        return False
    if target is None or not target.all():
        return False  # 0 copies a dimension of the input, and they changed places.
    emit = Emitter(node)
    emit.replace(emit.again([turned.image(emit, value), node.inputs[1]]))
    return True


def _size(turned: Turned, node: ir.Node) -> bool:
    x = node.inputs[0]
    if x is None:
        return False
    emit = Emitter(node)
    emit.replace(emit.op("Size", turned.image(emit, x)))
    return True


def _is_image(value: ir.Value) -> bool:
    return value.shape is not None and len(value.shape) == _RANK


def _is_scalar(value: ir.Value) -> bool:
    return value.shape is not None and len(value.shape) <= _RANK and all(dim == 1 for dim in value.shape)


def _is_vector(shape: ir.Shape) -> bool:
    return len(shape) == _RANK and all(dim == 1 for axis, dim in enumerate(shape) if axis != _CHANNELS)


def _open_batch(value: ir.Value | None) -> str | None:
    """The name of a batch whose size only the device knows."""
    batch = None if value is None or value.shape is None else value.shape[0]
    return batch.value if isinstance(batch, ir.SymbolicDim) else None


def _columns_and_batch(image: ir.Value | None) -> _Sizes | None:
    """W and N of an image, by which another one is known to have the same; None for no image."""
    batch = _open_batch(image)
    return None if batch is None or image is None or image.shape is None else (str(image.shape[_RANK - 1]), batch)


def _scalar(emit: Emitter, value: ir.Value) -> ir.Value:
    if value.shape is not None and len(value.shape) <= 1:
        return value
    return emit.op("Reshape", value, [1])


def _flat(emit: Emitter, value: ir.Value) -> ir.Value:
    """(1, C, 1, 1) -> (C,): what was reshaped from such a vector, or another Reshape."""
    producer = value.producer()
    source = producer.inputs[0] if producer is not None and producer.op_type == "Reshape" else None
    if source is not None and source.shape is not None and len(source.shape) == 1:
        return source
    return emit.op("Reshape", value, [-1])
