"""What a device may rely on in the plans of a bundle, whoever made it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import MANIFEST, WEIGHTS, Manifest
from tbft_artifacts.more_classes import head_shapes
from tbft_artifacts.plan import Cost, Plan
from tbft_artifacts.sparse import SparseLayer

# Rank of the weight of a convolution: (K, C / groups, kh, kw).
_CONVOLUTION_RANK = 4

Shapes = Mapping[str, tuple[int, ...]]


def check_plans(manifest: Manifest, weights: Path, bundle: Path) -> None:
    """Raises TbftError for plans that contradict themselves, each other, or the tensors in the file `weights`.

    Errors call the bundle `bundle`. No tensor is loaded.
    """
    shapes = weight_shapes(weights, bundle)
    for fault in (*_norm_faults(manifest, shapes), *_head_faults(manifest, shapes), *_block_faults(manifest, shapes)):
        raise TbftError(f"{MANIFEST} of bundle '{bundle}' names {fault}", "export the bundle again")
    scored = {layer for plan in manifest.sparse_plans[:1] for layer in plan.sparse_layers}
    for plan in manifest.plans:
        for fault in (*_faults(plan, shapes), *_sparse_faults(plan, shapes, scored)):
            raise TbftError(f"{MANIFEST} of bundle '{bundle}': plan {plan.id!r} {fault}", "export the bundle again")


def weight_shapes(weights: Path, bundle: Path) -> Shapes:
    """Those of all float32 tensors, from the header of the file, whose length safetensors limits.

    Raises TbftError, which calls the bundle `bundle`, where it is no such file.
    """
    try:
        with safe_open(weights, "numpy") as file:
            found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
            return {name: tuple(part.get_shape()) for name, part in found.items() if part.get_dtype() == "F32"}
    except (OSError, SafetensorError) as error:
        raise TbftError(
            f"'{WEIGHTS}' of bundle '{bundle}' is no safetensors file", "export the bundle again"
        ) from error


def _norm_faults(manifest: Manifest, shapes: Shapes) -> Iterator[str]:
    """Batch norms whose statistics are no vectors of the same length."""
    for norm in manifest.batch_norms:
        mean, variance = shapes.get(norm.mean), shapes.get(norm.variance)
        if mean is None or mean != variance or len(mean) != 1:
            yield f"a batch norm '{norm.mean}' whose statistics are not in {WEIGHTS}"


def _head_faults(manifest: Manifest, shapes: Shapes) -> Iterator[str]:
    """A last layer whose tensors are not those of so many classes and features."""
    head = manifest.head or None
    if head is None:
        return
    expected = head_shapes(head, len(manifest.classes))
    if any(shapes.get(name) != shape for name, shape in expected.items()):
        yield f"a last layer '{head.weight}' of other tensors than are in {WEIGHTS}"


def _block_faults(manifest: Manifest, shapes: Shapes) -> Iterator[str]:
    """Blocks that are neither a tensor nor a module that one is in."""
    modules = {name[:end] for name in shapes for end in (*_dots(name), len(name))}
    trained = [name for plan in manifest.plans for name in plan.blocks]
    for block in (*(found.name for found in manifest.blocks), *trained):
        if block not in modules:
            yield f"a block '{block}' that has no tensor in {WEIGHTS}"


def _dots(name: str) -> list[int]:
    return [index for index, letter in enumerate(name) if letter == "."]


def _faults(plan: Plan, shapes: Shapes) -> Iterator[str]:
    """What is wrong with any plan, in words that follow its id."""
    for parameter in plan.parameters:
        if shapes.get(parameter.name) != parameter.shape or 0 in parameter.shape:
            yield f"trains {parameter.name!r} in a shape that is not in {WEIGHTS}"
    if min(plan.boundary.shape, default=1) < 1:
        yield "has an empty boundary"
    if plan.full_cost is not None and not _is_cost_of_training(plan.full_cost):
        yield "has a full_cost that is none of training"


def _is_cost_of_training(cost: Cost) -> bool:
    """What others are divided by is more than nothing."""
    return cost.backward_flops > 0


def _sparse_faults(plan: Plan, shapes: Shapes, scored: set[SparseLayer]) -> Iterator[str]:
    """What is wrong with the choice of channels; `scored` are the layers of the plan whose graph scores for all."""
    if plan.sparse is None:
        return
    layers = plan.sparse_layers
    if plan.exits:
        yield "has sparse layers and exits, which do not come together"
    if not layers:
        yield "has no sparse layer"
    for layer in layers:
        if len(layer.shape) != _CONVOLUTION_RANK or min(layer.shape) < 1:
            yield f"has a sparse layer {layer.weight!r} that is no convolution"
        if layer.row_flops < 1:
            yield f"has a sparse layer {layer.weight!r} that costs nothing"
        if shapes.get(layer.weight) != layer.shape:
            yield f"has a sparse layer {layer.weight!r} in a shape that is not in {WEIGHTS}"
        if layer not in scored:
            yield f"has a sparse layer {layer.weight!r} that the deepest plan does not score"
