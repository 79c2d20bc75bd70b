"""Images of the source domain that the bundle keeps for each plan: what is trained elsewhere is forgotten here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from safetensors.numpy import save_file

from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import MOST_BYTES, Kept, keeps_inputs, kept_bytes, kept_file, own_scales, quantised
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.plan import Plan
from tbft_artifacts.rights import by_umask
from tbft_export.graph.sessions import Session
from tbft_export.images import LabelledImages, batches

# Which images are chosen; the same ones for every plan.
_SEED = 0


def keep_images(
    plans: Sequence[Plan], images: LabelledImages, per_class: int, manifest: Manifest, folder: Path
) -> tuple[tuple[Plan, ...], str]:
    """Write what is kept of `per_class` images of each class for every plan, whose graphs are in `folder` already.

    The images are drawn at random, always the same ones of the same data, and lie in turns of the classes, so that
    any first part has all of them. What a frozen part makes of them is computed by the graph that a device loads.

    Returns the plans, which say how many images are kept for them, and a note for whoever publishes the bundle.
    Raises TbftError where that would be more than `MOST_BYTES` for a plan.
    """
    chosen = _chosen(images.labels, per_class, len(manifest.classes))
    for plan in plans:
        if (size := kept_bytes(plan, manifest, len(chosen))) > MOST_BYTES:
            raise TbftError(
                f"{len(chosen)} kept {manifest.noun}s take {size / 1e6:,.0f} MB for plan {plan.id}, more than "
                f"{MOST_BYTES >> 20} MiB",
                "keep fewer of each class with `keep`",
            )
    total = 0
    for plan in plans:
        path = folder / kept_file(plan)
        save_file(_kept(plan, images, chosen, manifest, folder).tensors, path)
        by_umask(path)  # safetensors makes it private to the user.
        total += path.stat().st_size
    return (
        tuple(msgspec.structs.replace(plan, kept=len(chosen)) for plan in plans),
        _note(images.labels[chosen], per_class, total, manifest),
    )


def _chosen(labels: np.ndarray, per_class: int, classes: int) -> np.ndarray:
    """Indices into labels (N,): the first of each class, the second of each, and so on."""
    rng = np.random.default_rng(_SEED)
    drawn = [rng.permutation(np.flatnonzero(labels == label))[:per_class] for label in range(classes)]
    return np.array([members[turn] for turn in range(per_class) for members in drawn if turn < len(members)], np.int64)


def _kept(plan: Plan, images: LabelledImages, chosen: np.ndarray, manifest: Manifest, folder: Path) -> Kept:
    if keeps_inputs(plan):
        values = images.images(chosen)
        if manifest.noun == "image":
            # Those of the pixels: nothing is lost.
            normalize = manifest.normalization
            mean, std = np.array(normalize.mean), np.array(normalize.std)
            scale, offset = (1 / (255 * std)).astype(np.float32), (-mean / std).astype(np.float32)
            return quantised(values, images.labels[chosen], scale, offset)
    else:
        prefix = Session(folder, plan.prefix)
        values = np.concatenate([prefix.run(images.images(indices)) for indices in batches(chosen)])
    return quantised(values, images.labels[chosen], *own_scales(values))


def _note(labels: np.ndarray, per_class: int, size: int, manifest: Manifest) -> str:
    counts = np.bincount(labels, minlength=len(manifest.classes))
    few = [f"{name} {count}" for name, count in zip(manifest.classes, counts, strict=True) if count < per_class]
    return (
        f"the bundle keeps {len(labels)} source {manifest.noun}s ({size / 1e3:,.0f} kB), which show what was on them, "
        "also where only activations are kept: give it to nobody who may not see them"
        + (f"; fewer than {per_class} of {', '.join(few)}" if few else "")
    )
