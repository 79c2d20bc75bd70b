"""More classes than a bundle was exported for, appended on a device: more rows in the last layer, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.check_names import check_folder_names, class_faults
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.plan import BYTES_PER_FLOAT, Cost, Parameter, Plan
from tbft_artifacts.source import LinearHead
from tbft_artifacts.structs import Shape

# The bias of a class that nothing was learned of: no image is taken for it.
NEVER = -1e4


def grown(manifest: Manifest, added: Sequence[str], shown: Path) -> Manifest:
    """The manifest with classes `added` behind its own; errors call the bundle `shown`.

    Raises TbftError for a network whose last layer cannot grow, and for names that are there or could be none.
    """
    head = manifest.head or None
    if head is None or head.bias is None:
        raise TbftError(
            f"the last layer of bundle '{shown}' cannot get more classes: it is no linear one with a bias, or the "
            "bundle is from before that was said",
            "export the network again, with torch.nn.Linear as its last layer",
        )
    if any(plan.exits for plan in manifest.plans):
        raise TbftError(
            f"bundle '{shown}' answers at several exits, each with classes of its own",
            "export the network without exits to add classes",
        )
    check_folder_names(added)
    classes = (*manifest.classes, *added)
    for fault in class_faults(classes):
        raise TbftError(f"with what is added, bundle '{shown}' would have {fault}", "give the class another name")
    shapes = head_shapes(head, len(classes))
    plans = tuple(_grown(plan, shapes, len(added) * (head.features + 1)) for plan in manifest.plans)
    return msgspec.structs.replace(manifest, classes=classes, plans=plans)


def head_shapes(head: LinearHead, classes: int) -> dict[str, Shape]:
    """The shapes of the last layer's tensors for so many classes, by name."""
    shapes: dict[str, Shape] = {head.weight: (head.features, classes) if head.transposed else (classes, head.features)}
    return shapes if head.bias is None else shapes | {head.bias: (classes,)}


def with_rows(weights: Mapping[str, np.ndarray], head: LinearHead, classes: int) -> dict[str, np.ndarray]:
    """The weights with a last layer for so many classes: rows that are missing are empty, and never the answer."""
    assert head.bias is not None
    weight, bias = weights[head.weight], weights[head.bias]
    missing = classes - len(bias)
    rows = np.zeros((head.features, missing) if head.transposed else (missing, head.features), np.float32)
    return {
        **weights,
        head.weight: np.concatenate([weight, rows], axis=1 if head.transposed else 0),
        head.bias: np.concatenate([bias, np.full(missing, NEVER, np.float32)]),
    }


def _grown(plan: Plan, shapes: Mapping[str, Shape], added: int) -> Plan:
    """A plan whose parameters have these shapes; full fine-tuning trains so many values more."""
    parameters = tuple(Parameter(each.name, shapes.get(each.name, each.shape)) for each in plan.parameters)
    more = sum(math.prod(parameter.shape) for parameter in parameters) - math.prod(plan.flat.shape)
    full = plan.full_cost
    return msgspec.structs.replace(
        plan,
        parameters=parameters,
        cost=_dearer(plan.cost, more),
        full_cost=None if full is None else _dearer(full, added),
    )


def _dearer(cost: Cost, values: int) -> Cost:
    return msgspec.structs.replace(cost, parameter_bytes=cost.parameter_bytes + BYTES_PER_FLOAT * values)
