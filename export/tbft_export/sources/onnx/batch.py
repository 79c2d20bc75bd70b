"""A graph for a fixed number of images, for any number of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from tbft_export.graph.boundary import depends_on_input
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.nodes import initializer
from tbft_export.graph.operands import ints
from tbft_export.passes.find_shapes import with_batch
from tbft_export.passes.fold_constants import FOLDED


def free_batch(model: ir.Model, batch: int) -> None:
    """Where the sizes that layers hold say the batch, let them take over the batch that comes in.

    Exporters that are given no open batch write a number into every size. Each activation is followed from the images
    on, with the axis on which its images lie:

    1. Reshape to constant sizes: -1 stands for the axis with the images, or 0 where it stays where it was.
    2. Expand to constant sizes: 1 stands for it, which keeps what comes in.
    3. Resize to constant sizes: that one is taken from what comes in.
    4. Concat, with something that was repeated for each image, such as a class token: it is repeated for those that
       come in.
    5. Recurrent layers that begin with zeros for each image: so they do where nothing is given.

    With `batch` images the graph computes what it did. Where images lie next to other axes of a Reshape and `batch` is
    1, the graph does not say on which side they are, and PyTorch's habits decide; so whoever reads the graph has to
    see whether images still have nothing to do with each other (`probe_fixed_batch`).
    """
    floats = {name for name, value in model.graph.initializers.items() if value.dtype not in _SIZES}
    _Freeing(model.graph, with_batch(model, batch, frozenset(floats)).graph, batch).run()


# Operands of recurrent layers from here on are what they begin with; peepholes of zeros are none, either.
_STATE = 5
_SIZES = (ir.DataType.INT64, ir.DataType.INT32)


@dataclass(frozen=True)
class _Place:
    """Where images lie in a tensor: on `axis`, of which each of them has `inner` neighbours."""

    axis: int
    inner: int = 1


class _Freeing:
    """One graph, in which sizes are rewritten, beside the same with every shape known."""

    def __init__(self, graph: ir.Graph, fixed: ir.Graph, batch: int) -> None:
        self.graph = graph
        self.batch = batch
        self.active = depends_on_input(graph)
        self.places: dict[ir.Value | None, _Place] = {graph.inputs[0]: _Place(0)}
        known = [*fixed.inputs, *fixed.initializers.values(), *(value for node in fixed for value in node.outputs)]
        self.known = {(value.name or "").removesuffix(FOLDED): value for value in known}

    def run(self) -> None:
        for node in list(self.graph):
            source = next((value for value in node.inputs if value in self.places), None)
            place = self.places.get(source)
            before = self.shape(source)
            if place is None or before is None or node.domain not in ("", "ai.onnx"):
                continue
            for output in node.outputs:
                after = self.shape(output)
                found = None if after is None else self.follow(node, place, before, after)
                if found is not None:
                    self.places[output] = found
            settle = _SETTLE.get(node.op_type)
            if settle is not None and node.outputs[0] in self.places:
                settle(self, node, place, self.places[node.outputs[0]])

    def shape(self, value: ir.Value | None) -> tuple[int, ...] | None:
        """The shape of a value of either graph, if all of it is known."""
        found = None if value is None else self.known.get((value.name or "").removesuffix(FOLDED))
        shape = None if found is None else found.shape
        return None if shape is None or not shape.is_static() else tuple(shape.numpy())

    def constant(self, node: ir.Node, index: int) -> list[int] | None:
        """Sizes that a node is given and that follow from nothing but constants."""
        value = node.inputs[index] if index < len(node.inputs) else None
        found = None if value is None or value in self.active else self.known.get(value.name or "")
        tensor = None if found is None else ir.convenience.get_const_tensor(found)
        return None if tensor is None else tensor.numpy().ravel().tolist()

    def follow(self, node: ir.Node, place: _Place, before: Sequence[int], after: Sequence[int]) -> _Place | None:
        """Where images lie in what a node gives; None where that is not known."""
        axis: int | None
        match node.op_type:
            case "Shape" | "Size" | "NonZero":
                return None
            case "Reshape" | "Flatten":
                return self.reshaped(place, before, after)
            case "Transpose":
                axis = ints(node, "perm", range(len(before))[::-1]).index(place.axis)
            case "Squeeze" | "Unsqueeze" | "Gather":
                axis = self.moved(node, place.axis, before, after)
            case "GRU" | "LSTM" | "RNN":
                axis = len(after) - 2
            case kind if kind.startswith("Reduce") and len(after) < len(before):
                axis = self.moved(node, place.axis, before, after)
            case _:  # As broadcasting has it.
                axis = place.axis + len(after) - len(before)
        if axis is None or not 0 <= axis < len(after) or after[axis] != before[place.axis]:
            return None
        return _Place(axis, place.inner)

    def moved(self, node: ir.Node, axis: int, before: Sequence[int], after: Sequence[int]) -> int | None:
        """Where an axis comes to lie when others are put in or taken away."""
        if node.op_type == "Gather":
            at = node.attributes.get_int("axis", 0) % len(before)
            return None if at == axis else axis + (len(after) - len(before)) * (at < axis)
        rank = max(len(before), len(after))
        axes = ints(node, "axes", self.constant(node, 1) or range(rank))
        changed = {each % rank for each in axes}
        if node.op_type == "Unsqueeze":
            return [each for each in range(rank) if each not in changed][axis]
        if node.op_type == "Squeeze" and len(changed) == rank:
            changed = {each for each in range(rank) if before[each] == 1}
        return None if axis in changed else axis - sum(each < axis for each in changed)

    def reshaped(self, place: _Place, before: Sequence[int], after: Sequence[int]) -> _Place | None:
        """Where images lie when the same elements, in the same order, have other sizes."""
        block = place.inner * math.prod(before[place.axis + 1 :])  # Elements from one image to the next.
        found = []
        for axis, size in enumerate(after):
            step = math.prod(after[axis + 1 :])
            if step and block % step == 0 and (size * step) % (block * self.batch) == 0:
                inner, outer = block // step, size * step // (block * self.batch)
                alone = size == self.batch and inner == 1
                # Rows of a matrix are images and what stands ahead of them; heads of attention stand behind images.
                habit = axis == 0 if len(after) == 2 else outer == 1
                found.append(((alone, alone and axis == place.axis, habit), -axis, _Place(axis, inner)))
        return max(found, key=lambda each: each[:2])[-1] if found else None

    def with_images(self, emit: Emitter, sizes: Sequence[int], axis: int) -> ir.Value:
        """`sizes`, of which that on `axis` is how many images come in."""
        count = emit.op("Gather", emit.op("Shape", self.graph.inputs[0]), [0], axis=0)
        parts = ([*sizes[:axis]], count, [*sizes[axis + 1 :]])
        return emit.op("Concat", *(part for part in parts if isinstance(part, ir.Value) or part), axis=0)


def _settle_reshape(freeing: _Freeing, node: ir.Node, old: _Place, new: _Place) -> None:  # Case 1
    before, after = freeing.shape(node.inputs[0]), freeing.shape(node.outputs[0])
    if freeing.constant(node, 1) is None or before is None or after is None or 0 in after:
        return
    freed = list(after)
    freed[new.axis] = 0 if old == new and before[old.axis] == after[new.axis] else -1
    node.attributes.pop("allowzero", None)
    node.replace_input_with(1, initializer(freeing.graph, f"{node.outputs[0].name}.shape", freed))


def _settle_expand(freeing: _Freeing, node: ir.Node, _old: _Place, new: _Place) -> None:  # Case 2
    sizes = freeing.constant(node, 1)
    after = freeing.shape(node.outputs[0])
    if sizes is not None and after is not None:
        freed = [1 if axis == new.axis else size for axis, size in enumerate(after)]
        node.replace_input_with(1, initializer(freeing.graph, f"{node.outputs[0].name}.shape", freed))


def _settle_resize(freeing: _Freeing, node: ir.Node, old: _Place, _new: _Place) -> None:  # Case 3
    sizes, before = freeing.constant(node, 3), freeing.shape(node.inputs[0])
    if sizes and before is not None and len(sizes) == len(before) and sizes[old.axis] == freeing.batch:
        emit = Emitter(node)
        node.replace_input_with(3, freeing.with_images(emit, sizes, old.axis))
        emit.stay()


def _settle_concat(freeing: _Freeing, node: ir.Node, _old: _Place, new: _Place) -> None:  # Case 4
    emit = Emitter(node)
    for index, value in enumerate(node.inputs):
        shape = freeing.shape(value)
        if value is None or value in freeing.active or shape is None or shape[new.axis] != freeing.batch:
            continue
        one = _first(freeing, emit, value, new.axis)
        if one is not None:
            sizes = freeing.with_images(emit, [1] * len(shape), new.axis)
            node.replace_input_with(index, emit.op("Expand", one, sizes))
    emit.stay()


def _settle_recurrence(_freeing: _Freeing, node: ir.Node, _old: _Place, _new: _Place) -> None:  # Case 5
    for index in range(_STATE, len(node.inputs)):
        value = node.inputs[index]
        producer = None if value is None else value.producer()
        source = producer.inputs[0] if producer is not None and producer.op_type == "Expand" else value
        begin = None if source is None else ir.convenience.get_const_tensor(source)
        if begin is not None and not begin.numpy().any():
            node.replace_input_with(index, None)


def _first(freeing: _Freeing, emit: Emitter, value: ir.Value, axis: int) -> ir.Value | None:
    """What was repeated for each image, once; None of numbers that differ."""
    if freeing.batch == 1:
        return value
    if not value.is_initializer():
        return emit.op("Slice", value, [0], [1], [axis])
    assert value.const_value is not None
    array = value.const_value.numpy()
    first = array.take([0], axis)
    if (array != first).any() or len(value.uses()) > 1:
        return None
    name = value.name or ""
    freeing.graph.initializers.pop(name)
    value.name = f"{name}.repeated"
    return initializer(freeing.graph, name, first)


_SETTLE: Mapping[str, Callable[[_Freeing, ir.Node, _Place, _Place], None]] = {
    "Concat": _settle_concat,
    "Expand": _settle_expand,
    "GRU": _settle_recurrence,
    "LSTM": _settle_recurrence,
    "RNN": _settle_recurrence,
    "Reshape": _settle_reshape,
    "Resize": _settle_resize,
}
