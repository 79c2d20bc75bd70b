"""`outline_export`: the parts of a network, and the plans that an export would make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from tbft_artifacts.plan import Cost, Drift
from tbft_export.blocks.find import Blocks
from tbft_export.blocks.layers import find_layers
from tbft_export.compile.differentiable import untrainable
from tbft_export.graph.boundary import find_boundary
from tbft_export.methods.method import Network
from tbft_export.options import ExportOptions, check_options
from tbft_export.outline.estimate import estimated_cost, layer_flops
from tbft_export.pipeline import PassRunner
from tbft_export.plans import load_asked, plan_requests
from tbft_export.quiet import unlogged
from tbft_export.sources.load import TrainedModel


@dataclass(frozen=True)
class Part:
    """A part of a network: `kind` is stem, stage, norm or head.

    `reads` is the shape, without the batch, of the one activation that enters it, and `cut` its name in the graph;
    `flops` are those of the forward pass of one image.
    """

    kind: str
    modules: tuple[str, ...]
    reads: tuple[int, ...]
    cut: str
    parameters: int
    flops: int


@dataclass(frozen=True)
class PlannedPlan:
    """A plan that was not compiled: what it would train, and at about which cost, for one image.

    `obstacles` say which layers no gradient comes through; with one the plan cannot be made.
    """

    id: str
    drift: Drift | None
    blocks: tuple[str, ...]
    parameters: int
    cost: Cost
    obstacles: tuple[str, ...]


@dataclass(frozen=True)
class Outline:
    """A network before an export."""

    model: str
    input: tuple[int, ...]
    classes: int
    parameters: int
    parts: tuple[Part, ...]
    plans: tuple[PlannedPlan, ...]
    notes: tuple[str, ...]


@unlogged("onnx_ir")
def outline_export(options: ExportOptions) -> Outline:
    """What `export_bundle` would make of a model, without compiling anything.

    Raises TbftError as that does for options, for a model that cannot be read, and for parts that it does not have.

    Example:
        >>> from tbft_export import ExportOptions, outline_export
        >>> [part.modules for part in outline_export(ExportOptions("resnet26", drift="all")).parts]
        [('conv1',), ('layer1',), ('layer2',), ('layer3',), ('bn',), ('fc',)]
    """
    check_options(options)
    runner = PassRunner()
    trained = load_asked(options, runner)
    network = Network(trained.forward, trained.fresh)
    plans = tuple(
        PlannedPlan(
            id=request.id,
            drift=request.training.drift,
            blocks=request.training.blocks,
            parameters=_size(trained, request.training.parameters),
            cost=estimated_cost(trained.forward, request.training),
            obstacles=untrainable(trained.forward, request.training, runner),
        )
        for request in plan_requests(options, trained)
    )
    return Outline(
        model=trained.name,
        input=_shape(trained.forward.graph.inputs[0]),
        classes=trained.classes,
        parameters=_size(trained, network.parameters),
        parts=_parts(trained, network),
        plans=plans,
        notes=trained.notes,
    )


def _parts(trained: TrainedModel, network: Network) -> tuple[Part, ...]:
    graph = trained.forward.graph
    found = [(kind, modules, network.inside(modules)) for kind, modules in _named(network.blocks) if modules]
    owner = {name: place for place, (_, _, names) in enumerate(found) for name in names}
    reads = find_layers(graph, network.parameters).reads
    flops = [0] * len(found)
    place = 0
    for index, node in enumerate(graph):
        # Products of activations count for the part whose weights were read last.
        place = next((owner[name] for name in reads.get(index, ())), place)
        flops[place] += layer_flops(node)
    cuts = [find_boundary(graph, frozenset(names)) for _, _, names in found]
    return tuple(
        Part(kind, modules, _shape(cut), cut.name or "", _size(trained, names), count)
        for (kind, modules, names), cut, count in zip(found, cuts, flops, strict=True)
    )


def _named(blocks: Blocks) -> list[tuple[str, tuple[str, ...]]]:
    stages = [(f"stage {number}", stage) for number, stage in enumerate(blocks.stages, start=1)]
    return [("stem", blocks.stem), *stages, ("norm", blocks.rest), ("head", blocks.rear)]


def _size(trained: TrainedModel, names: Sequence[str]) -> int:
    return sum(trained.forward.tensor(name).size for name in names)


def _shape(value: ir.Value) -> tuple[int, ...]:
    """The dimensions behind the batch that the graph says."""
    return tuple(dim for dim in list(value.shape or ())[1:] if isinstance(dim, int))
