"""Names for weights that an exporter left without one."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass

import onnx_ir as ir

from tbft_artifacts.names import INFORMATION, LABELS, LOG_MARGINAL, LOGITS, LOSS, TARGETS
from tbft_export.graph.forward import IMAGES
from tbft_export.sources.onnx.lift import COPY

_RESERVED = (IMAGES, LOGITS, LABELS, LOSS, TARGETS, INFORMATION, LOG_MARGINAL)
# As PyTorch's two exporters, ONNX Runtime's quantiser, the rewriting here, and counters of other tools name constants.
_LOST = re.compile(
    rf".+{re.escape(COPY)}\d+|(?:onnx::\w+_\d+|val_\d+|_?(?:to_)?const\w*|\d+|initializer_\d+|.*_output_\d+|.+\.weight_\w+)"
    r"(?:_folded)*"
)
_PRODUCTS = frozenset({"Conv", "ConvTranspose", "MatMul"})
_WAITING = "waiting for its name/"
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
    (`/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1`), or its kind and number (`conv3`). Slashes become dots, by which
    blocks are told apart. Every name is there once, and the same in each export of the file. What layers shared by
    chance gets a name for each, too.
    """
    shared, modules = _shared(weights), _modules(weights)
    layers = _name_layers(graph, weights, shared | modules)
    found: dict[ir.Value, str] = {}
    for node in graph:
        for value, role in _roles(node, weights):
            name = value.name or ""
            is_lost = _is_lost(name) or name in modules or (name in shared and layers[node].is_said)
            if value not in found and (is_lost or "/" in name):
                found[value] = f"{layers[node].name}.{role}" if is_lost else _with_dots(name)
    for number, value in enumerate(found):
        # None is in the way of another.
        _rename(graph, value, f"{_WAITING}{number}")
    taken = {value.name for node in graph for value in node.outputs} | graph.initializers.keys()
    for value, name in found.items():
        free = _free(name, taken)
        taken.add(free)
        _rename(graph, value, free)


@dataclass(frozen=True)
class _Layer:
    """The layer of a node, and whether something says its name, or it is but its kind and number."""

    name: str
    is_said: bool


def _name_layers(graph: ir.Graph, weights: frozenset[str], odd: Set[str]) -> dict[ir.Node, _Layer]:
    counts: Counter[str] = Counter()
    layers: dict[ir.Node, _Layer] = {}
    for node in graph:
        kind = _KINDS.get(node.op_type, node.op_type.lower())
        counts[kind] += 1
        if node not in layers:
            said = _layer_of(node, weights, odd)
            layers[node] = _Layer(said or f"{kind}{counts[kind]}", bool(said))
        # An Add of a vector behind a product is the bias of that layer.
        reader = next((user for user, _ in node.outputs[0].uses()), None)
        if node.op_type in _PRODUCTS and reader is not None and reader.op_type == "Add" and layers[node].is_said:
            layers[reader] = layers[node]
    return layers


def _shared(weights: frozenset[str]) -> frozenset[str]:
    """What layers shared, of which each has a copy: whose the name was is not said."""
    return frozenset(name.partition(COPY)[0] for name in weights if COPY in name)


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


def _modules(weights: frozenset[str]) -> frozenset[str]:
    """The weights with whose names others begin: a weight is no module, or it would be a block that holds others."""
    spelt = {name: _with_dots(name) if "/" in name else name for name in weights}
    modules = {name[:end] for name in spelt.values() for end, letter in enumerate(name) if letter == "."}
    return frozenset(name for name, each in spelt.items() if each in modules)


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


def _layer_of(node: ir.Node, weights: frozenset[str], odd: Set[str]) -> str:
    """What others of its weights, or its scope, say of a node's layer; nothing where they say nothing."""
    for value, role in _roles(node, weights):
        name = value.name or ""
        if not _is_lost(name) and name not in odd and name.endswith(f".{role}"):
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


def _is_lost(name: str) -> bool:
    return _LOST.fullmatch(name) is not None


def _with_dots(name: str) -> str:
    """A name of TensorFlow, `block1/conv/kernel:0`, as modules of PyTorch are spelt: `block1.conv.kernel`."""
    return name.partition(":")[0].strip("/").replace("/", ".") or name


def _free(name: str, taken: Set[str | None]) -> str:
    """`name`, with a number where it is taken."""
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
