"""From parameter names to the blocks of a residual network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Block
from tbft_artifacts.names import is_inside

# Convolutions that may stand before, and behind, the module that holds the stages.
STEM_CONVOLUTIONS = 1
HEAD_CONVOLUTIONS = 1


@dataclass(frozen=True)
class Blocks:
    """The blocks of a network in the order of its graph, each the common start of its parameters' names.

    `front` is the stem and the first stage, `stages` the groups of residual blocks, `rear` the last linear
    layer. A stage is one module (`layer1`), or several where blocks are numbered siblings (`features.4`,
    `features.5`): those whose output has the same size. `residual_blocks` are the single blocks.
    """

    names: tuple[str, ...]
    front: tuple[str, ...]
    stages: tuple[tuple[str, ...], ...]
    rear: str
    residual_blocks: tuple[str, ...] = ()


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


def find_blocks(graph: ir.Graph, parameters: Sequence[str]) -> Blocks:
    """Group parameters by the modules that their names spell.

    A module that holds every convolution, or all but a stem before it and one layer behind it, is a container
    and is opened. Of the modules that remain, those with several convolutions are stages, or parts of one
    where they are numbered siblings; what stands before the first stage is the stem; the module of the last
    matrix product is the head, opened where it holds several.

    Raises TbftError if the names show no such structure.
    """
    convolutions = _weights_of(graph, parameters, "Conv")
    products = _weights_of(graph, parameters, "Gemm", "MatMul")
    containers = _containers(list(convolutions)) | _holding_several(list(products))
    modules = [_module(name, containers) for name in parameters]
    names = tuple(dict.fromkeys(modules))
    stages = _stages(names, convolutions)
    if not stages or not products:
        raise TbftError(
            "the parameter names show no residual stages followed by a linear layer: " + ", ".join(names[:8]),
            "name a module to train with `blocks`, one of these or a part; `drift` full and output need none; "
            "an .onnx file must keep parameter names and batch norms (torch.onnx.export with training=PRESERVE and "
            "do_constant_folding=False)",
        )
    front = names[: names.index(stages[0][-1]) + 1]
    blocks = tuple(block for stage in stages for module in stage for block in _residual_blocks(module, convolutions))
    head = find_head(graph, parameters)
    # A network may end in a convolution and have its last matrix product in a gate before it.
    rear = _module(list(products)[-1], containers) if head not in convolutions else _layer(head)
    return Blocks(names, front, stages, rear, blocks)


def find_parts(graph: ir.Graph, parameters: Sequence[str]) -> Blocks:
    """`find_blocks`, or where the names show no stages, the outermost modules and the last layer.

    Raises TbftError if nothing is multiplied with a parameter, so that there is no last layer.
    """
    try:
        return find_blocks(graph, parameters)
    except TbftError as error:
        head = find_head(graph, parameters)
        if not head:
            raise TbftError("the model has no layer with weights that could be trained", error.hint) from error
        return Blocks(_outermost(parameters), (), (), _layer(head))


def find_head(graph: ir.Graph, parameters: Sequence[str]) -> str:
    """The weight of the last convolution or matrix product; nothing where there is none."""
    return next(reversed(list(_weights_of(graph, parameters, "Conv", "Gemm", "MatMul"))), "")


def describe_blocks(graph: ir.Graph, weights: frozenset[str], trained: Sequence[str]) -> tuple[Block, ...]:
    """Every block of the network, in the order of its graph, and how many trainable values it holds.

    A block of which `trained` names only a part is opened, so that each is trained as a whole or not at
    all: with `layer2.0` trained, `layer2` becomes `layer2.0`, `layer2.1` and so on. Where the names show
    no stages, the blocks are the outermost modules that do not hold everything.
    """
    parameters = trainable_parameters(graph, weights)
    try:
        known = find_blocks(graph, parameters).names
    except TbftError:
        known = _outermost(parameters)
    values: dict[str, int] = {}
    for parameter in parameters:
        block = max((name for name in known if is_inside(parameter, name)), key=len)
        while block != parameter and any(name != block and is_inside(name, block) for name in trained):
            block = ".".join(parameter.split(".")[: block.count(".") + 2])
        tensor = graph.initializers[parameter].const_value
        assert tensor is not None
        values[block] = values.get(block, 0) + tensor.size
    return tuple(Block(name, count) for name, count in values.items())


def select(parameters: Sequence[str], blocks: Sequence[str], known: Sequence[str]) -> list[str]:
    """The parameters inside `blocks`, in the order of `parameters`.

    Raises TbftError for a block that holds none; `known` are the names to offer.
    """
    for block in blocks:
        if not any(is_inside(name, block) for name in parameters):
            raise TbftError(f"the model has no block '{block}'", f"blocks: {', '.join(known)}")
    return [name for name in parameters if any(is_inside(name, block) for block in blocks)]


def _outermost(parameters: Sequence[str]) -> tuple[str, ...]:
    """The outermost modules that do not hold every parameter."""
    prefixes = [".".join(name.split(".")[:depth]) for name in parameters for depth in range(1, name.count(".") + 1)]
    whole = frozenset(prefix for prefix in prefixes if all(is_inside(name, prefix) for name in parameters))
    return tuple(dict.fromkeys(_module(name, whole) for name in parameters))


def _weights_of(graph: ir.Graph, parameters: Sequence[str], *op_types: str) -> Mapping[str, ir.Node]:
    """The parameters that such operators multiply with, in the order of the graph, and the last node of each."""
    return {
        value.name: node
        for node in graph
        if node.op_type in op_types
        for value in map(_turned, node.inputs[:2])
        if value is not None and value.name in parameters and value.name is not None
    }


def _turned(value: ir.Value | None) -> ir.Value | None:
    """What a Transpose turned, as exporters write a linear layer of more than one row per image."""
    node = None if value is None else value.producer()
    return value if node is None or node.op_type != "Transpose" else node.inputs[0]


def _containers(convolutions: Sequence[str]) -> frozenset[str]:
    """Modules that hold every convolution but the stem's and one behind them, in several parts."""
    inside = _inside_modules(convolutions)
    last = len(convolutions) - 1
    whole = {
        module
        for module, indices in inside.items()
        if indices[0] <= STEM_CONVOLUTIONS
        and indices[-1] >= last - HEAD_CONVOLUTIONS
        and len(indices) == indices[-1] - indices[0] + 1
    }
    return frozenset(module for module in whole if _has_stages(module, inside))


def _holding_several(layers: Sequence[str]) -> frozenset[str]:
    """Modules of the last of `layers` that hold another one, too."""
    inside = _inside_modules(layers)
    return frozenset(name for name, indices in inside.items() if len(indices) > 1 and indices[-1] == len(layers) - 1)


def _inside_modules(layers: Sequence[str]) -> Mapping[str, list[int]]:
    """For each module around the layers with these weights, which of them it holds."""
    inside: dict[str, list[int]] = {}
    for index, name in enumerate(layers):
        parts = name.split(".")[:-2]  # Without the tensor's own name and the layer's.
        for depth in range(1, len(parts) + 1):
            inside.setdefault(".".join(parts[:depth]), []).append(index)
    return inside


def _has_stages(module: str, inside: Mapping[str, Sequence[int]]) -> bool:
    """Whether a part of `module` holds several convolutions: opening it would show stages, not layers."""
    depth = module.count(".") + 1
    return any(
        len(indices) > 1 and is_inside(name, module) and name.count(".") == depth for name, indices in inside.items()
    )


def _stages(names: Sequence[str], convolutions: Mapping[str, ir.Node]) -> tuple[tuple[str, ...], ...]:
    """The modules with several convolutions; numbered siblings with outputs of one size are one stage."""
    stages: list[list[str]] = []
    previous: object = None
    for name in names:
        inside = [node for weight, node in convolutions.items() if is_inside(weight, name)]
        if len(inside) < 2:
            continue
        parent, _, number = name.rpartition(".")
        shape = inside[-1].outputs[0].shape
        kind = (parent, None if shape is None else tuple(shape[2:])) if number.isdecimal() else None
        if kind is not None and kind == previous:
            stages[-1].append(name)
        else:
            stages.append([name])
        previous = kind
    return tuple(map(tuple, stages))


def _residual_blocks(module: str, convolutions: Mapping[str, ir.Node]) -> list[str]:
    """The blocks that `module` is a numbered list of, each with several convolutions; else the module itself."""
    inside = [weight for weight in convolutions if is_inside(weight, module)]
    parts = dict.fromkeys(".".join(weight.split(".")[: module.count(".") + 2]) for weight in inside)
    if len(parts) == 1 and not next(iter(parts)).rpartition(".")[2].isdecimal():
        (only,) = parts
        blocks = _residual_blocks(only, convolutions) if only != module else [module]
        return [module] if blocks == [only] else blocks
    counts = [sum(is_inside(weight, part) for weight in inside) for part in parts]
    is_list = all(part.rpartition(".")[2].isdecimal() for part in parts) and min(counts) > 1
    return list(parts) if is_list else [module]


def _layer(parameter: str) -> str:
    """The module that a parameter belongs to itself."""
    return parameter.rpartition(".")[0] or parameter


def _module(parameter: str, containers: frozenset[str]) -> str:
    """The outermost module of `parameter` that is no container."""
    parts = parameter.split(".")
    depth = 1
    while depth < len(parts) - 1 and ".".join(parts[:depth]) in containers:
        depth += 1
    return ".".join(parts[:depth])
