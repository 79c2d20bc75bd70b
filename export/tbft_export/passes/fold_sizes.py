"""Find out sizes that a network computes from the shapes of its tensors, where only the batch is unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from tbft_export.graph.nodes import initializer
from tbft_export.graph.operands import constant_input
from tbft_export.passes.fold_constants import FoldConstantsPass

# Vectors of sizes are no longer than a tensor has axes; anything larger is data.
_LONGEST = 16
# Each round finds what one layer of the network hid from the next.
_ROUNDS = 64

# A size: a number, or the name of one that is known only when the graph runs.
Size = int | str


class FoldSizesPass(ir.passes.InPlacePass):
    """Sizes taken from `Shape` -> constants; of those that a Reshape or Expand is given, all but the batch.

    1. A vector of sizes of which every one is a number becomes an initializer.
    2. Reshape(x, [batch, 2, C/2, H, W]) -> Reshape(x, [0, 2, C/2, H, W]): 0 keeps the size of x. Where x has it at
       another place, or it is not known, -1 stands for it, once.
    3. Expand(x, [batch, C, H, W]) -> Expand(x, [1, C, H, W]) where x has the batch already: 1 keeps it.
    4. Resize(x, sizes [batch, C, H, W]) -> Resize(x, scales [1, 1, H / h, W / w]), unless one of those, in float32, is
       too small for the size that it stands for.

    PyTorch's exporter writes such arithmetic for `x.view(x.size(0), ...)`, `x.chunk`, `expand_as` and
    `interpolate`. What is found gives the shapes behind it, and these the next sizes: it goes on until nothing changes.
    `weights` names initializers that are never folded.
    """

    def __init__(self, weights: frozenset[str]) -> None:
        super().__init__()
        self.weights = weights

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for _ in range(_ROUNDS):
            if not _fold(model.graph):
                break
            modified = True
            common.RemoveUnusedNodesPass()(model)
            FoldConstantsPass(self.weights)(model)
            common.ShapeInferencePass()(model)
        return ir.passes.PassResult(model, modified)


@dataclass(frozen=True)
class _Sizes:
    """A vector of sizes, or a single one."""

    sizes: tuple[Size, ...]
    is_scalar: bool = False

    @property
    def numbers(self) -> list[int] | None:
        numbers = [size for size in self.sizes if isinstance(size, int)]
        return numbers if len(numbers) == len(self.sizes) else None


def _fold(graph: ir.Graph) -> bool:
    known: dict[ir.Value | None, _Sizes] = {}
    modified = False
    for node in list(graph):
        if node.domain not in ("", "ai.onnx"):
            continue
        if node.op_type in ("Reshape", "Expand"):
            modified |= _settle(graph, node, known)
        if node.op_type == "Resize":
            modified |= _settle_resize(graph, node, known)
        found = _evaluate(node, known)
        if found is None:
            continue
        output = node.outputs[0]
        known[output] = found
        numbers = found.numbers
        if numbers is not None and output.uses() and not output.is_graph_output():
            array = np.array(numbers[0] if found.is_scalar else numbers, np.int64)
            constant = initializer(graph, f"{output.name}_size", array)
            ir.convenience.replace_all_uses_with(output, constant)
            known[constant] = found
            modified = True
    return modified


def _evaluate(node: ir.Node, known: Mapping[ir.Value | None, _Sizes]) -> _Sizes | None:
    """What a node computes of sizes; None for other nodes, and where an operand is no size."""
    if node.op_type == "Shape":
        return _shape(node)
    rule = _RULES.get(node.op_type)
    if rule is None or node.attributes.get_int("to", ir.DataType.INT64) != ir.DataType.INT64:
        return None
    # One that is left out would give its place to another.
    operands = [
        None if value is None else known.get(value) or _constant(value) or _some(value) for value in node.inputs
    ]
    given = [operand for operand in operands if operand is not None]
    return rule(given) if len(given) == len(operands) else None


def _constant(value: ir.Value) -> _Sizes | None:
    tensor = ir.convenience.get_const_tensor(value)
    if tensor is None or tensor.size > _LONGEST or tensor.dtype != ir.DataType.INT64:
        return None
    array = tensor.numpy()
    return _Sizes(tuple(array.ravel().tolist()), array.ndim == 0) if array.ndim <= 1 else None


def _some(value: ir.Value) -> _Sizes | None:
    """A single size that is computed in another way, such as a multiple of the batch, by the name of its value."""
    if value.dtype != ir.DataType.INT64 or value.shape is None or value.shape not in ([], [1]):
        return None
    return _Sizes((f"computed: {value.name}",), value.shape == [])


def _shape(node: ir.Node) -> _Sizes | None:
    source = node.inputs[0]
    if source is None or source.shape is None:
        return None
    start, end = node.attributes.get_int("start", 0), node.attributes.get_int("end", len(source.shape))
    dims = [dim if isinstance(dim, int) else dim.value for dim in source.shape[start:end]]
    return None if any(dim is None for dim in dims) else _Sizes(tuple(dim for dim in dims if dim is not None))


def _gather(operands: Sequence[_Sizes]) -> _Sizes | None:
    sizes, indices = operands
    numbers = indices.numbers
    if numbers is None or sizes.is_scalar:
        return None
    return _Sizes(tuple(sizes.sizes[index] for index in numbers), indices.is_scalar)


def _slice(operands: Sequence[_Sizes]) -> _Sizes | None:
    sizes, *bounds = operands
    numbers = [bound.numbers for bound in bounds]
    if any(each is None or len(each) != 1 for each in numbers):
        return None
    start, end, _, step = [*(each[0] for each in numbers if each), *[0, 1][len(numbers) - 2 :]]
    return _Sizes(sizes.sizes[start:end:step])


def _concat(operands: Sequence[_Sizes]) -> _Sizes | None:
    return _Sizes(tuple(size for operand in operands for size in operand.sizes))


def _same(operands: Sequence[_Sizes]) -> _Sizes | None:
    return operands[0]


def _single(operands: Sequence[_Sizes]) -> _Sizes | None:
    """A vector of one size -> that size."""
    sizes = operands[0].sizes
    return _Sizes(sizes, is_scalar=True) if len(sizes) == 1 else None


def _vector(operands: Sequence[_Sizes]) -> _Sizes | None:
    return _Sizes(operands[0].sizes) if operands[0].is_scalar else None


_RULES: Mapping[str, Callable[[Sequence[_Sizes]], _Sizes | None]] = {
    "Cast": _same,
    "Concat": _concat,
    "Gather": _gather,
    "Identity": _same,
    "Slice": _slice,
    "Squeeze": _single,
    "Unsqueeze": _vector,
}


def _settle(graph: ir.Graph, node: ir.Node, known: Mapping[ir.Value | None, _Sizes]) -> bool:
    """Give a Reshape or Expand constant sizes, if only one is unknown."""
    x, given = node.inputs[:2]
    if x is None or given not in known or constant_input(node, 1) is not None:
        return False
    sizes = known[given].sizes
    # Expand aligns the last axes of both.
    ahead = len(sizes) - len(x.shape or ()) if node.op_type == "Expand" else 0
    settled = [_settled(node, x.shape, axis - ahead, size) for axis, size in enumerate(sizes)]
    if None in settled or settled.count(-1) > (node.op_type == "Reshape"):
        return False
    numbers = np.array([number for number in settled if number is not None], np.int64)
    node.replace_input_with(1, initializer(graph, f"{node.outputs[0].name}_size", numbers))
    return True


def _settle_resize(graph: ir.Graph, node: ir.Node, known: Mapping[ir.Value | None, _Sizes]) -> bool:
    """Give a Resize scales that are constant, if all sizes but the batch are known."""
    given = node.inputs[3] if len(node.inputs) > 3 else None
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    if given not in known or shape is None or constant_input(node, 3) is not None:
        return False
    before, after = shape[1:], known[given].sizes[1:]
    if known[given].sizes[0] != (shape[0] if isinstance(shape[0], int) else shape[0].value):
        return False
    scales = [np.float32(1)]
    for length, size in zip(before, after, strict=True):
        if not isinstance(length, int) or not isinstance(size, int):
            return False
        scales.append(np.float32(size / length))
        # ONNX Runtime takes the product in float32, and ONNX's shapes take it in double.
        if {int(np.float32(length) * scales[-1]), int(length * float(scales[-1]))} != {size}:
            return False
    node.resize_inputs(3)
    node.replace_input_with(2, initializer(graph, f"{node.outputs[0].name}_scales", np.array(scales, np.float32)))
    return True


def _settled(node: ir.Node, shape: ir.Shape | None, axis: int, size: Size) -> int | None:
    """The number that says `size` at `axis`; -1, or None where there is none."""
    if isinstance(size, int):
        return size
    own = None
    if shape is not None and 0 <= axis < len(shape) and not isinstance(shape[axis], int):
        own = shape[axis].value  # type: ignore[union-attr]
    if node.op_type == "Reshape":
        return 0 if own == size and not node.attributes.get_int("allowzero", 0) else -1
    return 1 if own == size else None
