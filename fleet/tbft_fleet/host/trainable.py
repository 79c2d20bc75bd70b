"""What devices may train of a release, by which their weights are judged."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from tbft_artifacts.archive import unpack
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.check_plans import weight_shapes
from tbft_artifacts.decode import MIB
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.plan import Plan
from tbft_artifacts.structs import Shape
from tbft_artifacts.temporary_folder import temporary_folder

# Of every plan: the tensors that it may change, all float32.
Trainable = Mapping[str, Mapping[str, Shape]]
_FLOAT32 = 4
_DISTRUST = "do not trust it, and look at the device that it came from"


def trainable(archive: Path, bundle_id: str) -> Trainable:
    """By the ids of the plans of a bundle that was released. Raises TbftError as `open_bundle` does."""
    with temporary_folder() as folder:
        # The fleet's own keys signed the archive.
        unpack(archive, folder / "bundle", bundle_id, archive, vouched=True)
        found = open_bundle(folder / "bundle", archive, bundle_id)
        shapes = weight_shapes(found.weights, archive)
        return {plan.id: _of(plan, found.manifest, shapes) for plan in found.manifest.plans}


def check_weights(content: bytes, plan: str, known: Trainable) -> None:
    """Raises TbftError for weights (a safetensors file) that training `plan` would not leave.

    Those are some of its tensors, in their shapes, as float32, and all of them finite.
    """
    own = known.get(plan)
    if own is None:
        raise TbftError(f"its bundle has no plan '{plan}'", _DISTRUST)
    # Before it is parsed: a header may name a million tensors without values, each of which becomes an object.
    most = sum(_FLOAT32 * prod(shape) for shape in own.values()) + MIB
    if len(content) > most:
        raise TbftError(
            f"its weights have {len(content):,} bytes, and those of plan '{plan}' {most:,} at most", _DISTRUST
        )
    try:
        tensors = load(content)
    except (SafetensorError, UnicodeError, KeyError, TypeError, ValueError) as error:
        raise TbftError(f"its weights are no safetensors file: {error}", _DISTRUST) from error
    if not tensors:
        raise TbftError("its weights are none", _DISTRUST)
    for name, value in tensors.items():
        if name not in own:
            raise TbftError(f"its weights hold '{name}', which plan '{plan}' does not train", _DISTRUST)
        if value.dtype != np.float32 or value.shape != own[name]:
            raise TbftError(
                f"its '{name}' is {value.dtype} of shape {value.shape}, and the bundle's float32 of {own[name]}",
                _DISTRUST,
            )
        if not np.isfinite(value).all():
            raise TbftError(f"its '{name}' has values that are infinite or no number", _DISTRUST)


def _of(plan: Plan, manifest: Manifest, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    trained = [parameter.name for parameter in plan.parameters] + [layer.weight for layer in plan.sparse_layers]
    # Statistics are estimated anew also where the plan trains behind them.
    norms = [name for norm in manifest.batch_norms for name in (norm.mean, norm.variance)]
    return {name: shapes[name] for name in (*trained, *norms)}
