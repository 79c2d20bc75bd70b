"""Layers with weights, and where the graph reads each parameter."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import onnx_ir as ir

from tbft_export.graph.boundary import depends_on_input

# Operators that multiply what comes in with weights of their own.
PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "GRU", "LSTM", "RNN"})
NORMS = frozenset(
    {"BatchNormalization", "LayerNormalization", "GroupNormalization", "InstanceNormalization", "LpNormalization"}
)


@dataclass(frozen=True)
class Layers:
    """The layers of a graph, by the number of their node.

    `products` multiply an activation with weights. `heads` are those of them behind which no other stands: they give
    the logits. `behind` are the nodes that read what heads make. `reads` says which parameters a node is the first to
    read, directly or through arithmetic on parameters alone, such as a transposition.
    """

    products: tuple[int, ...]
    heads: frozenset[int]
    behind: frozenset[int]
    reads: dict[int, tuple[str, ...]]


def trainable_parameters(graph: ir.Graph, weights: frozenset[str]) -> list[str]:
    """Names of the weights that can be trained, in the order in which the graph reads them.

    Running statistics of batch norms are no parameters.
    """
    statistics: set[str] = set()
    order: dict[str, None] = {}
    for node in graph:
        names = [value.name if value is not None else None for value in node.inputs]
        if node.op_type == "BatchNormalization":
            statistics.update(name for name in names[3:5] if name)
        order.update({name: None for name in names if name in weights and name})
    return [name for name in order if name not in statistics]


def find_layers(graph: ir.Graph, parameters: Sequence[str], fixed: Set[str] = frozenset()) -> Layers:
    """The layers of `graph`, and where it reads `parameters`; `fixed` names weights that are none of these."""
    nodes = list(graph)
    active = depends_on_input(graph)
    learned = _learned(nodes, active, fixed | set(parameters))
    products = tuple(index for index, node in enumerate(nodes) if _is_product(node, active, learned))
    heads = _last_of(nodes, products)
    made = {value for index in heads for value in nodes[index].outputs}
    behind = set()
    for index, node in enumerate(nodes):
        if any(value in made for value in node.inputs):
            behind.add(index)
            made.update(node.outputs)
    return Layers(products, heads, frozenset(behind), _reads(nodes, active, parameters))


def _learned(nodes: Sequence[ir.Node], active: Set[ir.Value], weights: Set[str]) -> set[ir.Value]:
    """The weights, those that are stored as integers, and what is made of weights and of no activation."""
    learned = {value for node in nodes for value in node.inputs if value is not None and value.name in weights}
    for node in nodes:
        if active.isdisjoint(node.outputs):
            made = node.op_type == "DequantizeLinear" or any(value in learned for value in node.inputs)
            learned.update(node.outputs if made else ())
    return learned


def _is_product(node: ir.Node, active: Set[ir.Value], learned: Set[ir.Value]) -> bool:
    """Whether one of its factors is an activation and the other is learned: a constant is that of a pool."""
    if node.op_type not in PRODUCTS:
        return False
    factors = [value for value in node.inputs[:2] if value is not None]
    return sum(value in active for value in factors) == 1 and sum(value in learned for value in factors) == 1


def _last_of(nodes: Sequence[ir.Node], products: Sequence[int]) -> frozenset[int]:
    """The products on whose results no other one depends."""
    found = set(products)
    leads_on: set[ir.Value] = set()  # To a product.
    last = set()
    for index in reversed(range(len(nodes))):
        leads = any(value in leads_on for value in nodes[index].outputs)
        if index in found and not leads:
            last.add(index)
        if index in found or leads:
            leads_on.update(value for value in nodes[index].inputs if value is not None)
    return frozenset(last)


def _reads(nodes: Sequence[ir.Node], active: set[ir.Value], parameters: Sequence[str]) -> dict[int, tuple[str, ...]]:
    left = set(parameters)
    carried: dict[ir.Value, tuple[str, ...]] = {}  # Parameters that a value is made of, and no activation.
    reads: dict[int, tuple[str, ...]] = {}
    for index, node in enumerate(nodes):
        found: dict[str, None] = {}
        for value in node.inputs:
            if value is not None and value not in active:
                found.update(dict.fromkeys(carried.get(value, (value.name,) if value.name in left else ())))
        if not any(value in active for value in node.outputs):
            carried.update(dict.fromkeys(node.outputs, tuple(found)))
        elif new := tuple(name for name in found if name in left):
            reads[index] = new
            left.difference_update(new)
    return reads
