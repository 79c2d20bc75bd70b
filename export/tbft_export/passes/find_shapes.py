"""Find shapes that follow only once the batch is a number."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir
from onnx_ir.passes import common

from tbft_export.graph.nodes import initializer
from tbft_export.graph.operands import constant_input
from tbft_export.passes.fold_constants import FoldConstantsPass

# What both give is no matter of the batch; what is the batch of both is the batch.
_BATCHES = (2, 3)
# Each finds what one layer hid from the next.
_ROUNDS = 16

Shapes = Mapping[str, tuple[int | None, ...]]


class FindShapesPass(ir.passes.InPlacePass):
    """Shapes that are not known beside the batch -> those that the graph has for 2 images, and for 3 as well.

    1. A size that both have is that number; where they have 2 and 3, it is the batch.
    2. Reshape(x, sizes) whose result is then known but for the batch -> the same with a constant, in which -1 stands
       for the batch.

    With a batch that is only a name, ONNX cannot tell what -1 stands for in `x.reshape(-1, heads, size, pixels)`. Other
    sizes, such as the batch times windows, stay unknown. `weights` names initializers that are never folded.
    """

    def __init__(self, weights: frozenset[str]) -> None:
        super().__init__()
        self.weights = weights

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        batch = _batch(model.graph)
        values = [output for node in model.graph for output in node.outputs if not _is_known(output, batch)]
        if not values or batch is None:
            return ir.passes.PassResult(model, False)
        few, more = (self._shapes(model, size) for size in _BATCHES)
        modified = False
        for value in values:
            name = value.name or ""
            shape = _agreed(few.get(name), more.get(name), batch)
            if shape is not None:
                value.shape = shape
                modified = True
        for node in model.graph:
            modified |= node.op_type == "Reshape" and node.outputs[0] in values and _say_sizes(model.graph, node)
        return ir.passes.PassResult(model, modified)

    def _shapes(self, model: ir.Model, size: int) -> Shapes:
        """The shapes of all values that are known with so many images."""
        graph = with_batch(model, size, self.weights).graph
        shapes = {output.name or "": output.shape for node in graph for output in node.outputs}
        return {
            name: tuple(each if isinstance(each, int) else None for each in shape)
            for name, shape in shapes.items()
            if shape is not None
        }


def with_batch(model: ir.Model, size: int, weights: frozenset[str]) -> ir.Model:
    """A copy for that many images, with every shape that follows; none of `weights` is folded in it."""
    fixed = model.clone()
    (images,) = fixed.graph.inputs
    assert images.shape is not None
    images.shape = ir.Shape([size, *images.shape[1:]])
    for node in fixed.graph:
        for output in node.outputs:
            output.shape = None
    for _ in range(_ROUNDS):
        common.ShapeInferencePass()(fixed)
        if not FoldConstantsPass(weights)(fixed).modified:
            break
    return fixed


def _batch(graph: ir.Graph) -> ir.SymbolicDim | None:
    shape = graph.inputs[0].shape if len(graph.inputs) == 1 else None
    return shape[0] if shape is not None and shape.rank() and isinstance(shape[0], ir.SymbolicDim) else None


def _is_known(value: ir.Value, batch: ir.SymbolicDim | None) -> bool:
    return value.shape is not None and all(isinstance(dim, int) or dim == batch for dim in value.shape)


def _agreed(
    few: tuple[int | None, ...] | None, more: tuple[int | None, ...] | None, batch: ir.SymbolicDim
) -> ir.Shape | None:
    """The shape for any batch; None where a size is not known, or depends on the batch in another way."""
    if few is None or more is None or len(few) != len(more):
        return None
    dims: list[int | ir.SymbolicDim] = []
    for pair in zip(few, more, strict=True):
        if pair == _BATCHES:
            dims.append(batch)
        elif pair[0] is None or pair[0] != pair[1]:
            return None
        else:
            dims.append(pair[0])
    return ir.Shape(dims)


def _say_sizes(graph: ir.Graph, node: ir.Node) -> bool:
    shape = node.outputs[0].shape
    if shape is None or constant_input(node, 1) is not None:
        return False
    sizes = [dim if isinstance(dim, int) else -1 for dim in shape]
    if sizes.count(-1) > 1 or 0 in sizes:
        return False
    node.replace_input_with(1, initializer(graph, f"{node.outputs[0].name}_sizes", sizes))
    return True
