"""The main path of a network: pieces between activations that alone lead on, in the order of the graph."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import onnx_ir as ir

from tbft_export.blocks.layers import NORMS, Layers
from tbft_export.blocks.names import Modules
from tbft_export.graph.boundary import crossings, depends_on_input

# Operators that leave every number as it is.
_SHAPES = frozenset({"Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast"})


@dataclass(frozen=True)
class Size:
    """Of an activation: how many positions (pixels, tokens) it has, and how many numbers there are at each.

    `dims` are those behind the batch, None where the graph does not say one of them.
    """

    positions: int
    width: int
    dims: tuple[int, ...] | None


@dataclass
class Unit:
    """What computes one activation that alone leads on from another, with at least one layer that has weights.

    `before` and `after` are the sizes of the two, `products` its layers, and `last` the operator that ends it. `own`
    are the parameters that it reads, `ahead` those of norms before it, `behind` those that stand directly behind it, as
    its norm does. `is_chain`: it has neither branches nor a shortcut.
    """

    products: tuple[ir.Node, ...]
    before: Size
    after: Size
    last: str
    is_chain: bool
    own: tuple[str, ...]
    ahead: list[str]
    behind: list[str] = field(default_factory=list)

    @property
    def parameters(self) -> tuple[str, ...]:
        return (*self.ahead, *self.own, *self.behind)

    @property
    def is_single(self) -> bool:
        """Whether it is a chain with one layer, not a block."""
        return self.is_chain and len(self.products) == 1

    @property
    def is_gate(self) -> bool:
        """Whether its layers see one position alone, and what they make scales a whole map (squeeze-excite)."""
        seen = [size_of(node.outputs[0], node).positions for node in self.products]
        return self.last == "Mul" and self.after.positions > 1 and max(seen) == 1

    @property
    def is_depthwise(self) -> bool:
        return self.is_single and _groups(self.products[0]) > 1 and _groups(self.products[0]) == self.inputs

    @property
    def is_pointwise(self) -> bool:
        """Whether it is one convolution that sees one pixel at a time."""
        return self.is_single and _groups(self.products[0]) == 1 and _kernel(self.products[0]) == 1

    @property
    def inputs(self) -> int:
        """How many channels, or features, its first layer reads."""
        return _width(self.products[0].inputs[0], self.products[0])

    @property
    def summed(self) -> int:
        """How many numbers its first layer sums up for one that it makes."""
        product = self.products[0]
        weight = next((value.shape for value in product.inputs[1::-1] if value is not None and value.shape), ())
        known = [dim for dim in weight if isinstance(dim, int)]
        return math.prod(known) // max(_width(product.outputs[0], product), 1)

    @property
    def outputs(self) -> int:
        return _width(self.products[-1].outputs[0], self.products[-1])


def find_units(graph: ir.Graph, layers: Layers, modules: Modules, head: Collection[str]) -> tuple[Unit, ...]:
    """Cut a graph wherever one activation alone leads on, and give the parameters ahead of the `head` to units.

    A parameter that no layer multiplies with belongs to the unit before it; a norm that does not stand directly behind
    a layer, as that of a sum, to the unit behind it, or if that is the head to none. Either goes to the other unit
    where only that shares a module with it.
    """
    nodes = list(graph)
    active = depends_on_input(graph)
    products = [index for index in layers.products if index not in layers.heads]
    units: list[Unit] = []
    ahead: list[str] = []  # Norms that wait for the unit behind them.
    before, entry = size_of(graph.inputs[0]), graph.inputs[0]
    for start, end, activation in _segments(graph):
        is_chain = sum(node.op_type != "Shape" for node in entry.consumers()) <= 1
        inside = range(start, end + 1)
        reads = [
            (index, name)
            for index in inside
            if index not in layers.heads | layers.behind
            for name in layers.reads.get(index, ())
        ]
        own = tuple(nodes[index] for index in products if index in inside)
        if own:
            after = size_of(activation, own[-1])
            names = tuple(name for _, name in reads)
            units.append(Unit(own, before, after, nodes[end].op_type, is_chain, names, ahead))
            ahead = []
        else:
            late = [name for index, name in reads if is_chain and not _is_norm_of_a_sum(nodes[index], active)]
            last = max((place for place, (_, name) in enumerate(reads, start=1) if name in late), default=0)
            if units and last:
                units[-1].behind += [*ahead, *(name for _, name in reads[:last])]
                ahead = []
            ahead = [*ahead, *(name for _, name in (reads[last:] if units else reads))]
        before, entry = size_of(activation, units[-1].products[-1] if units else None), activation
    for unit, following in itertools.pairwise(units):
        _share(unit.behind, following.ahead, unit.own, following.own, modules)
    if units:
        _share(units[-1].behind, ahead, units[-1].own, head, modules)
    return tuple(units)


def size_of(value: ir.Value | None, made_by: ir.Node | None = None) -> Size:
    """Of what is known of a shape, the batch left out.

    Channels come first where a convolution made the value and last where a linear layer did, unless the number of its
    outputs says otherwise: there may be a transposition between the two.
    """
    shape = list(() if value is None else value.shape or ())
    dims = [dim for dim in shape[1:] if isinstance(dim, int)]
    known = tuple(dims) if len(dims) == len(shape) - 1 else None
    if len(dims) > 1 and made_by is not None:
        first, last = (dim == _width(made_by.outputs[0], made_by) for dim in (dims[0], dims[-1]))
        if last if first != last else _is_linear(made_by):
            dims = [dims[-1], *dims[:-1]]
    return Size(math.prod(dims[1:]), dims[0] if dims else 1, known)


def _share(
    behind: list[str], ahead: list[str], before: Collection[str], following: Collection[str], modules: Modules
) -> None:
    """Move parameters between two units to the one whose modules they are in.

    The norm that a block begins with stands directly behind the layer before it, too (Wide ResNet), and one that ends
    a stage behind a sum (PVT).
    """

    def leaning(name: str) -> int:
        return modules.shared([name], following) - modules.shared([name], before)

    while behind and leaning(behind[-1]) > 0:
        ahead.insert(0, behind.pop())
    while ahead and leaning(ahead[0]) < 0:
        behind.append(ahead.pop(0))


def _segments(graph: ir.Graph) -> Iterator[tuple[int, int, ir.Value]]:
    """First and last node, and what leads on; the last segment ends with the graph."""
    start = 0
    for index, activation in crossings(graph):
        yield start, index, activation
        start = index + 1
    end = len(list(graph)) - 1
    if start <= end:
        yield start, end, graph.outputs[0]


def _is_norm_of_a_sum(node: ir.Node, active: set[ir.Value]) -> bool:
    """Whether parameters that `node` reads scale or shift a norm, and this does not stand behind a layer."""
    is_norm = False
    while True:
        is_norm = is_norm or node.op_type in NORMS
        sources = [value for value in node.inputs if value is not None and value in active]
        producer = sources[0].producer() if len(sources) == 1 else None
        goes_on = node.op_type in NORMS | _SHAPES | {"Add", "Mul"}
        if not goes_on or producer is None:
            return is_norm
        if producer.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            return False
        node = producer


def _is_linear(product: ir.Node) -> bool:
    return product.op_type not in ("Conv", "ConvTranspose")


def _width(value: ir.Value | None, product: ir.Node) -> int:
    """How many numbers there are at each position of what a layer reads or makes; 0 where the graph does not say."""
    dims = list(() if value is None else value.shape or ())
    width = dims[-1 if _is_linear(product) else 1] if len(dims) > 1 else None
    return width if isinstance(width, int) else 0


def _groups(node: ir.Node) -> int:
    return node.attributes.get_int("group", 1) if node.op_type == "Conv" else 1


def _kernel(node: ir.Node) -> int:
    weight = node.inputs[1]
    shape = None if weight is None else weight.shape
    return math.prod(dim for dim in list(shape or ())[2:] if isinstance(dim, int)) if node.op_type == "Conv" else 1
