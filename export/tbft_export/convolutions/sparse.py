"""Convolutions of which a device trains chosen output channels only: what they are, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import GRADIENT_SUFFIX
from tbft_artifacts.plan import BatchNormPolicy, Cost
from tbft_artifacts.sparse import SparseLayer
from tbft_export.convolutions.read import is_readable, read_convolution


def sparse_candidates(graph: ir.Graph, parameters: Sequence[str]) -> dict[str, ir.Node]:
    """The parameters that are the weight of exactly one 2-D convolution, and that convolution, in the graph's order."""
    found: dict[str, ir.Node] = {}
    for node in graph:
        if node.op_type != "Conv" or not is_readable(node):
            continue
        weight = node.inputs[1]
        if weight is not None and weight.name and weight.name in parameters and len(weight.uses()) == 1:
            found[weight.name] = node
    return found


def sparse_layers(graph: ir.Graph, weights: Sequence[str]) -> tuple[SparseLayer, ...]:
    """The layers of `weights` in a forward graph, in its order.

    One row's gradient takes 2 * Ho * Wo * (C/g) * kh * kw operations for an image. Raises TbftError for a weight that
    is not that of exactly one 2-D convolution.
    """
    candidates = sparse_candidates(graph, weights)
    missing = [name for name in weights if name not in candidates]
    if missing:
        raise TbftError(
            f"'{missing[0]}' is not the weight of exactly one 2-D convolution, so it has no channels to choose from",
            "leave it out",
        )
    return tuple(_layer(name, node) for name, node in candidates.items())


def check_statistics(policy: BatchNormPolicy) -> None:
    """Raise TbftError where the images of a batch do not have losses of their own, as Fisher information needs."""
    if policy in ("batch", "block"):
        raise TbftError(
            f"channels are chosen by what each image's own loss says, but with `batch_norm` {policy} every loss "
            "depends on the whole batch",
            "export with `batch_norm` frozen or `batch_norm` adapt",
        )


def without_rows(cost: Cost, layers: Sequence[SparseLayer]) -> Cost:
    """`cost` of training all channels of `layers` -> that of training none."""
    rows = sum(layer.shape[0] * layer.row_flops for layer in layers)
    return msgspec.structs.replace(cost, backward_flops=cost.backward_flops - rows)


def chosen_rows(layer: SparseLayer) -> str:
    """The name of the dimension that counts the chosen channels of `layer`."""
    return f"{layer.weight}.chosen"


def most_chosen(layers: Sequence[SparseLayer]) -> Mapping[str, int]:
    """How large those dimensions can be."""
    return {chosen_rows(layer): layer.shape[0] for layer in layers}


@dataclass(frozen=True)
class WeightGradient:
    """The ConvGrad that differentiates a weight, and what a frozen batch norm scales its rows with (K, 1, 1, 1)."""

    node: ir.Node
    scale: ir.Value | None


def find_weight_gradient(graph: ir.Graph, weight: str) -> WeightGradient:
    """Where the output `<weight>_grad` of ORT's graph comes from: ConvGrad, perhaps times a scale."""
    value = next(output for output in graph.outputs if output.name == f"{weight}{GRADIENT_SUFFIX}")
    scale = None
    node = value.producer()
    while node is not None and node.op_type in ("Identity", "Mul"):
        if node.op_type == "Mul":
            scale = node.inputs[1]
        value = node.inputs[0]  # type: ignore[assignment]
        node = value.producer()
    if node is None or node.op_type != "ConvGrad":
        raise ValueError(f"the gradient of '{weight}' comes from {node and node.op_type}, not from one ConvGrad")
    return WeightGradient(node, scale)


def _layer(weight: str, node: ir.Node) -> SparseLayer:
    convolution = read_convolution(node, *node.inputs[:2])
    rows, columns = convolution.output
    shape = (convolution.filters, convolution.channels // convolution.group, *convolution.kernel)
    return SparseLayer(weight, shape, row_flops=2 * rows * columns * shape[1] * shape[2] * shape[3])
