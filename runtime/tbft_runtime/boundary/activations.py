"""Where the trained part begins: activations of the frozen prefix, computed once per image where that is possible."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan
from tbft_runtime.board.machine import available_memory
from tbft_runtime.boundary.cache import BoundaryCache, DiskCache, RowKind, in_memory, stored_bytes
from tbft_runtime.boundary.key import cache_key
from tbft_runtime.boundary.prefix import Prefix, load_prefix
from tbft_runtime.data.dataset import Part, TrainingData
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.progress import Progress
from tbft_runtime.run.execution import PREFIX_IMAGES
from tbft_runtime.run.options import CacheFormat, CachePlace
from tbft_runtime.run.settings import Settings

# Part of the free disk, or of the available memory, that the cache may take.
SHARE = 1 / 4
LARGEST_HALF = np.finfo(np.float16).max


class CacheResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a run kept boundary activations: `bytes` for `cached_images` of `images`; `reason` says why it did not."""

    format: CacheFormat
    place: CachePlace | None
    bytes: int
    cached_images: int
    images: int
    reason: str | None


def why_not_fixed(plan: Plan, settings: Settings) -> str | None:
    """Why there is no boundary whose activations depend on the image alone; None if there is one."""
    if not settings.epochs:
        return "nothing is trained"
    if not plan.prefix_is_fixed:
        return "batch statistics change with every batch"
    return None if plan.has_prefix else "nothing is frozen before the first trained layer"


def recomputed_flops(plan: Plan, settings: Settings, images: int) -> float | None:
    """What `augment` costs: FLOPs of the frozen part in each epoch for `images` that train or validate.

    Without it they are computed once. None where nothing is augmented, or nothing could be kept anyway.
    """
    if not settings.augment or why_not_fixed(plan, settings) is not None:
        return None
    return float(plan.cost.prefix_flops * images)


@dataclass
class BoundaryActivations:
    """Boundary activations of a run's images: from the cache, or computed by the prefix and put there.

    With `dtype` float16 every activation is rounded to it, kept or not, so that a run does not depend
    on what happened to be kept.
    """

    plan: Plan
    prefix: Prefix
    dtype: np.dtype
    cache: BoundaryCache | None
    reason: str | None

    def read(self, part: Part, indices: np.ndarray) -> np.ndarray:
        """(n, *shape) float32 for the images of a part at store indices (n,)."""
        if self.cache is None:
            return self._compute(part, indices).astype(np.float32, copy=False)
        numbers = part.numbers(indices)
        found = self.cache.found[numbers]
        kept = self.cache.read(numbers[found]) if found.any() else None
        if kept is None:
            found[:] = False
        elif found.all():
            return kept.astype(np.float32, copy=False)
        fresh = self._compute(part, indices[~found])
        self.cache.write(numbers[~found], fresh)
        activations = np.empty((len(indices), *self.plan.boundary.shape), np.float32)
        activations[~found] = fresh
        if kept is not None:
            activations[found] = kept
        return activations

    def holds(self, part: Part, indices: np.ndarray) -> bool:
        """Whether all of these are kept, so that nothing has to be computed."""
        return self.cache is not None and bool(self.cache.found[part.numbers(indices)].all())

    def save(self) -> None:
        """Make what is in the cache outlast the process."""
        if self.cache is not None:
            self.cache.save()

    def give_way(self) -> bool:
        """Free the disk that the cache takes; whether there was any."""
        return self.cache is not None and self.cache.give_way()

    def _compute(self, part: Part, indices: np.ndarray) -> np.ndarray:
        """(n, *shape) of `dtype`, by the prefix."""
        activations = np.empty((len(indices), *self.plan.boundary.shape), self.dtype)
        for start in range(0, len(indices), self.prefix.images_at_once):
            chunk = slice(start, start + self.prefix.images_at_once)
            computed = self.prefix.run(part.images(indices[chunk]))[self.plan.boundary.name]
            activations[chunk] = self._narrow(computed)
        return activations

    def _narrow(self, activations: np.ndarray) -> np.ndarray:
        if self.dtype == np.float32:
            return activations
        # What float16 cannot hold becomes the largest it can: infinity would spoil every sum.
        saturated: np.ndarray = np.clip(activations, -LARGEST_HALF, LARGEST_HALF)
        return saturated


def open_boundary(
    bundle: Bundle,
    plan: Plan,
    settings: Settings,
    weights: Tensors,
    data: TrainingData,
    folder: Path,
    progress: Progress,
) -> BoundaryActivations:
    """Load the prefix, with `weights` that stay fixed from now on, and open the cache.

    One on the disk lies in `folder`, and is used again if it was made of the same things.
    """
    prefix = load_prefix(bundle, plan, settings, weights)
    assert prefix is not None
    dtype = np.dtype(np.float16 if settings.cache == "fp16" else np.float32)
    if settings.cache == "off":
        why = "augmented images are others in each epoch" if settings.augment else "switched off"
        return BoundaryActivations(plan, prefix, dtype, None, why)
    kind = RowKind(data.images, plan.boundary.shape, dtype)
    noun = bundle.manifest.noun
    cache: BoundaryCache | None = None
    reason = None
    try:
        if settings.cache_in == "ram":
            limit = int((available_memory() or 0) * SHARE)
            cache = in_memory(kind, _room(kind, limit), progress)
        else:
            key = cache_key(bundle, plan, settings, weights, data, dtype)
            limit = int((shutil.disk_usage(folder).free + stored_bytes(folder, key)) * SHARE)
            cache = DiskCache(kind, _room(kind, limit), folder, key, progress)
    except OSError as error:
        reason = f"'{folder}' cannot be used ({error.strerror})"
    else:
        # Rows that are there already were tried when the first of them was made.
        tried = cache.found.any()
        few = data.train.indices[: min(PREFIX_IMAGES, prefix.division.most or PREFIX_IMAGES)]
        if not tried and depends_on_batch(prefix, data.train.images(few)):
            reason = f"activations of one {noun} depend on the other {noun}s of its batch here"
        elif cache.room < kind.images:
            progress.note(
                f"the activation cache has room for {cache.room:,} of {kind.images:,} {noun}s ({limit / 1e6:,.1f} MB, "
                f"a quarter of what is free); the rest is computed again each epoch"
            )
    if reason:
        progress.note(f"no activation cache: {reason}")
        cache = None
    return BoundaryActivations(plan, prefix, dtype, cache, reason)


def depends_on_batch(prefix: Prefix, images: np.ndarray) -> bool:
    """Whether the prefix gives other bits for images (n, C, H, W) alone, in a short batch, or in another order.

    Kernels that sum in another order for other sizes would do that; then what was kept could not be
    told apart from what is computed only by luck.
    """

    def activations(part: np.ndarray) -> np.ndarray:
        (values,) = prefix.compute(np.ascontiguousarray(part)).values()
        return values

    together = activations(images)
    others = [slice(0, 1), slice(-1, None), slice(1, 4), slice(None, None, -1)]
    return any(activations(images[part]).tobytes() != together[part].tobytes() for part in others if len(images[part]))


def cache_result(boundary: BoundaryActivations | None, plan: Plan, settings: Settings, images: int) -> CacheResult:
    """What the cache held at the end, of `images` that train or validate."""
    cache = boundary.cache if boundary else None
    if cache is None:
        reason = boundary.reason if boundary else why_not_fixed(plan, settings) or "no epoch was left"
        return CacheResult(format="off", place=None, bytes=0, cached_images=0, images=images, reason=reason)
    cached = int(cache.found.sum())
    return CacheResult(
        format=settings.cache,
        place=settings.cache_in,
        bytes=cached * cache.kind.bytes,
        cached_images=cached,
        images=images,
        reason=None,
    )


def _room(kind: RowKind, limit: int) -> int:
    return min(kind.images, limit // kind.bytes)
