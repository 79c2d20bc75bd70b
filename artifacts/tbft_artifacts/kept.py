"""Images of the source domain that a bundle keeps for a plan, in 8 bits, so that a device can tell what it unlearns.

A plan whose frozen part makes the same of an image in every batch keeps what that makes of them, the boundary
activation; any other plan keeps the network's input. Each channel, the first axis of one image's values, has a scale
and an offset: what is kept is round((value - offset) / scale), 0 to 255, and `scale * kept + offset` differs from the
value by half a scale at most. Eight bits cost latent replay nothing that can be measured (Ravaglia et al., "A TinyML
Platform for On-Device Continual Learning with Quantized Latent Replays", JETCAS 2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.manifest import Manifest
from tbft_artifacts.plan import Plan

# More is not worth carrying to a device, which reads all of it.
MOST_BYTES = 256 << 20
_LEVELS = 255


@dataclass(frozen=True)
class Kept:
    """`values` (N, C, …) uint8, `labels` (N,) int64, `scale` and `offset` (C,) float32."""

    values: np.ndarray
    labels: np.ndarray
    scale: np.ndarray
    offset: np.ndarray

    def read(self, indices: np.ndarray) -> np.ndarray:
        """The values (n, C, …) float32 of those at indices (n,), as near as 8 bits are."""
        values: np.ndarray = self.values[indices].astype(np.float32)
        channels = (len(self.scale), *(1,) * (values.ndim - 2))
        values *= self.scale.reshape(channels)
        values += self.offset.reshape(channels)
        return values

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """What lies in the file, by name."""
        return vars(self)


def kept_file(plan: Plan) -> str:
    """Path inside the bundle of what is kept for `plan`."""
    return plan.file("kept.safetensors")


def keeps_inputs(plan: Plan) -> bool:
    """Whether the network's input is kept, since no activation stays what it was."""
    return not plan.has_prefix or not plan.prefix_is_fixed or plan.batch_norm == "adapt"


def kept_shape(plan: Plan, manifest: Manifest) -> tuple[int, ...]:
    """(C, …) of what is kept of one image."""
    return tuple(manifest.shape) if keeps_inputs(plan) else plan.boundary.shape


def kept_bytes(plan: Plan, manifest: Manifest, images: int) -> int:
    """What the values of so many images take."""
    return images * math.prod(kept_shape(plan, manifest))


def own_scales(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C,) float32 scale and offset from the least and the largest of each channel of values (N, C, …)."""
    axes = (0, *range(2, values.ndim))
    least, most = values.min(axis=axes), values.max(axis=axes)
    scale = ((most.astype(np.float64) - least) / _LEVELS).astype(np.float32)
    # Of a channel that is always the same, any will do.
    return np.where(scale > 0, scale, np.float32(1)), least.astype(np.float32)


def quantised(values: np.ndarray, labels: np.ndarray, scale: np.ndarray, offset: np.ndarray) -> Kept:
    """Values (N, C, …) with their labels (N,), to the nearest of what 8 bits can say."""
    channels = (len(scale), *(1,) * (values.ndim - 2))
    steps = (values.astype(np.float64) - offset.reshape(channels)) / scale.reshape(channels)
    return Kept(np.clip(np.rint(steps), 0, _LEVELS).astype(np.uint8), labels.astype(np.int64), scale, offset)


def kept_faults(tensors: Mapping[str, np.ndarray], plan: Plan, manifest: Manifest) -> list[str]:
    """What is wrong with the content of a file of kept images, in words behind "has"."""
    shape = kept_shape(plan, manifest)
    expected = {
        "values": ((plan.kept, *shape), np.uint8),
        "labels": ((plan.kept,), np.int64),
        "scale": (shape[:1], np.float32),
        "offset": (shape[:1], np.float32),
    }
    found = {name: (value.shape, value.dtype.type) for name, value in tensors.items()}
    if found != expected:
        return [f"other tensors than those of {plan.kept} kept images"]
    scale, offset = tensors["scale"], tensors["offset"]
    with np.errstate(over="ignore", invalid="ignore"):
        # What the largest of 8 bits stands for.
        largest = np.float32(255) * scale + offset
    if not all(np.isfinite(values).all() for values in (scale, offset, largest)):
        return ["scales that are no numbers"]
    labels = tensors["labels"]
    return [] if ((labels >= 0) & (labels < len(manifest.classes))).all() else ["labels of classes that there are not"]
