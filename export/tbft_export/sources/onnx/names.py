"""Names for weights that an exporter left without one."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

import onnx_ir as ir

from tbft_artifacts.names import LABELS, LOGITS, LOSS
from tbft_export.graph.forward import IMAGES

_RESERVED = (IMAGES, LOGITS, LABELS, LOSS)
# As PyTorch's two exporters, ONNX Runtime's quantiser, the rewriting here, and counters of other tools name constants.
_LOST = re.compile(
    r"(?:onnx::\w+_\d+|val_\d+|_?(?:to_)?const\w*|\d+|initializer_\d+|.*_output_\d+|.+\.weight_\w+)"
    r"(?:\.equal\d+|_folded)*"
)
_SCOPES = "pkg.torch.onnx.name_scopes"
_KINDS = {
    "Conv": "conv",
    "ConvTranspose": "deconv",
    "Gemm": "linear",
    "MatMul": "linear",
    "BatchNormalization": "norm",
    "InstanceNormalization": "norm",
    "LayerNormalization": "norm",
}
_NORM = ("", "weight", "bias", "running_mean", "running_var")


def name_weights(graph: ir.Graph, weights: frozenset[str]) -> None:
    """Give each of `weights` whose name says nothing that of its layer, and its role in it.

    The layer's name is that of another of its weights, or what the scope of its node spells
    (`/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1`), or its kind and number (`conv3`). Every name is there once, and
    the same in each export of the file.
    """
    counts: Counter[str] = Counter()
    named: dict[ir.Node, str] = {}
    for node in graph:
        kind = _KINDS.get(node.op_type, node.op_type.lower())
        counts[kind] += 1
        for value, role in list(_roles(node, weights)):
            name = value.name or ""
            if not _is_lost(name):
                continue
            layer = named.get(node) or _layer_of(node, weights) or f"{kind}{counts[kind]}"
            named[node] = layer
            _rename(graph, value, _free(graph, f"{layer}.{role}"))
        _pass_on(node, named, weights)


def keep_reserved(graph: ir.Graph) -> None:
    """Values inside do not have the names that every bundle uses, and no two nodes have one."""
    values = [*graph.initializers.values(), *(output for node in graph for output in node.outputs)]
    for value in values:
        if value.name in _RESERVED and value not in graph.outputs:
            _rename(graph, value, f"{value.name}.inside")
    nodes: set[str | None] = set()
    for number, node in enumerate(graph):
        if node.name and node.name in nodes:
            node.name = f"{node.name}.{number}"
        nodes.add(node.name)


def _roles(node: ir.Node, weights: frozenset[str]) -> Iterator[tuple[ir.Value, str]]:
    """The weights that a node reads, and what each is to it."""
    norms = node.op_type.endswith("Normalization")
    for index, value in enumerate(node.inputs):
        if value is None or not value.is_initializer() or value.name not in weights:
            continue
        if norms:
            yield value, _NORM[index] if index < len(_NORM) else "weight"
        elif node.op_type in ("Add", "Sub"):
            yield value, "bias"
        else:
            yield value, "bias" if index > 1 else "weight"


def _layer_of(node: ir.Node, weights: frozenset[str]) -> str:
    """What others of its weights, or its scope, say of a node's layer; nothing where they say nothing."""
    for value, role in _roles(node, weights):
        name = value.name or ""
        if not _is_lost(name) and name.endswith(f".{role}"):
            return name.removesuffix(f".{role}")
    return _scope(node)


def _scope(node: ir.Node) -> str:
    if said := node.metadata_props.get(_SCOPES):
        scopes = ast.literal_eval(said)
        # The last one is the node itself.
        return str(scopes[-2]) if len(scopes) > 1 else ""
    name = node.name or ""
    if not name.startswith("/"):
        return ""
    path: list[str] = []
    for part in name.split("/")[1:-1]:
        # A numbered part of a module spells its name again.
        if path and part.startswith(f"{path[-1]}."):
            path[-1] = part
        else:
            path.append(part)
    return ".".join(path)


def _pass_on(node: ir.Node, named: dict[ir.Node, str], weights: frozenset[str]) -> None:
    """An Add of a vector behind a product is the bias of that layer."""
    if node.op_type not in ("MatMul", "Conv", "ConvTranspose") or len(node.outputs[0].uses()) != 1:
        return
    (reader, _), *_ = node.outputs[0].uses()
    layer = named.get(node) or _layer_of(node, weights)
    if reader.op_type == "Add" and layer:
        named[reader] = layer


def _is_lost(name: str) -> bool:
    return _LOST.fullmatch(name) is not None


def _free(graph: ir.Graph, name: str) -> str:
    """`name`, with a number where it is taken."""
    taken = {value.name for node in graph for value in node.outputs} | graph.initializers.keys()
    number, free = 1, name
    while free in taken:
        number += 1
        layer, _, role = name.rpartition(".")
        free = f"{layer}_{number}.{role}"
    return free


def _rename(graph: ir.Graph, value: ir.Value, name: str) -> None:
    if value.is_initializer():
        graph.initializers.pop(value.name or "")
        value.name = name
        graph.register_initializer(value)
    else:
        value.name = name
