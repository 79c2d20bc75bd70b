"""From parameter names to the blocks of a residual network, and from a drift to the block to train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Block, Drift

# What may stand before the module that holds the stages.
STEM_CONVOLUTIONS = 1


@dataclass(frozen=True)
class Target:
    """What one plan trains, and for which drift. `is_usual`: what the drift calls for if no block is named."""

    drift: Drift
    blocks: tuple[str, ...]
    is_usual: bool = True


@dataclass(frozen=True)
class Blocks:
    """The blocks of a network in the order of its graph, each the common start of its parameters' names.

    `front` is the stem and the first stage, `stages` the groups of residual blocks, `rear` the head.
    """

    names: tuple[str, ...]
    front: tuple[str, ...]
    stages: tuple[str, ...]
    rear: str

    def target(self, drift: Drift) -> tuple[str, ...]:
        """The blocks that `drift` calls for.

        Drift at the input is undone where the input enters, drift of features where features are
        made, drift of the output in the head (EuroMLSys 2024, arXiv 2403.15905, section 3).
        """
        match drift:
            case "input":
                return self.front
            case "feature":
                return (self.stages[-1],)
            case "output":
                return (self.rear,)
            case "full":
                return self.names

    def targets(self) -> tuple[Target, ...]:
        """Every part that is worth training, from the input to the output, then everything.

        Each stage behind the front is a target for feature drift; which one is best depends on the drift.
        """
        middle = (Target("feature", (stage,), is_usual=False) for stage in self.stages[1:-1])
        drifts: tuple[Drift, ...] = ("feature", "output", "full")
        usual = (Target(drift, self.target(drift)) for drift in drifts)
        return (Target("input", self.front), *middle, *usual)


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

    A module that holds every convolution, or all but a stem before it, is a container and is opened. Of
    the modules that remain, those with several convolutions are stages; what stands before the first
    stage is the stem; the module of the last matrix product is the head.

    Raises TbftError if the names show no such structure.
    """
    convolutions = [
        node.inputs[1].name
        for node in graph
        if node.op_type == "Conv" and node.inputs[1] is not None and node.inputs[1].name in parameters
    ]
    heads = [
        value.name
        for node in graph
        if node.op_type in ("Gemm", "MatMul")
        for value in node.inputs
        if value is not None and value.name in parameters
    ]
    containers = _containers([name for name in convolutions if name])
    modules = [_module(name, containers) for name in parameters]
    names = tuple(dict.fromkeys(modules))
    stages = tuple(name for name in names if sum(_inside(conv or "", name) for conv in convolutions) > 1)
    if not stages or not heads or heads[-1] is None:
        raise TbftError(
            "the parameter names show no residual stages followed by a linear layer: " + ", ".join(names[:8]),
            "name a module to train with --block; an .onnx file must keep parameter names and batch norms "
            "(torch.onnx.export with training=PRESERVE and do_constant_folding=False)",
        )
    front = names[: names.index(stages[0]) + 1]
    return Blocks(names, front, stages, _module(heads[-1], containers))


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
        block = max((name for name in known if _inside(parameter, name)), key=len)
        while block != parameter and any(name != block and _inside(name, block) for name in trained):
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
        if not any(_inside(name, block) for name in parameters):
            raise TbftError(f"the model has no block '{block}'", f"blocks: {', '.join(known)}")
    return [name for name in parameters if any(_inside(name, block) for block in blocks)]


def _inside(parameter: str, block: str) -> bool:
    return parameter == block or parameter.startswith(f"{block}.")


def _outermost(parameters: Sequence[str]) -> tuple[str, ...]:
    """The outermost modules that do not hold every parameter."""
    prefixes = [".".join(name.split(".")[:depth]) for name in parameters for depth in range(1, name.count(".") + 1)]
    whole = frozenset(prefix for prefix in prefixes if all(_inside(name, prefix) for name in parameters))
    return tuple(dict.fromkeys(_module(name, whole) for name in parameters))


def _containers(convolutions: Sequence[str]) -> frozenset[str]:
    """Modules that hold every convolution but the stem's, in several parts."""
    inside: dict[str, list[int]] = {}
    for index, name in enumerate(convolutions):
        parts = name.split(".")[:-2]  # Without the tensor's own name and the layer's.
        for depth in range(1, len(parts) + 1):
            inside.setdefault(".".join(parts[:depth]), []).append(index)
    whole = {module for module, indices in inside.items() if len(indices) >= len(convolutions) - STEM_CONVOLUTIONS}
    return frozenset(module for module in whole if _has_stages(module, inside))


def _has_stages(module: str, inside: Mapping[str, Sequence[int]]) -> bool:
    """Whether a part of `module` holds several convolutions: opening it would show stages, not layers."""
    depth = module.count(".") + 1
    return any(
        len(indices) > 1 and name.startswith(f"{module}.") and name.count(".") == depth
        for name, indices in inside.items()
    )


def _module(parameter: str, containers: frozenset[str]) -> str:
    """The outermost module of `parameter` that is no container."""
    parts = parameter.split(".")
    depth = 1
    while depth < len(parts) - 1 and ".".join(parts[:depth]) in containers:
        depth += 1
    return ".".join(parts[:depth])
