"""The images that a bundle keeps for a plan: some are only ever measured on, the others may be trained on again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.kept import Kept, keeps_inputs, kept_faults, kept_file
from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.prefix import Prefix
from tbft_runtime.data.draw import in_batches
from tbft_runtime.run.settings import Settings

# More make the figure no better that matters, and every best epoch longer.
MOST_MEASURED = 200


@dataclass(frozen=True)
class KeptImages:
    """What is kept of each image, by index: the network's input, or its boundary activation.

    Of every class each second one is only measured on, as far as `MOST_MEASURED` go; `remembered` are the others. So
    what is said of the old data never comes from images that were trained on.
    """

    kept: Kept
    measured: np.ndarray
    remembered: np.ndarray
    activations: np.ndarray | None = None
    """What a prefix made of kept inputs, (N, …) float32."""

    def read(self, indices: np.ndarray) -> np.ndarray:
        """(n, …) float32."""
        return self.kept.read(indices) if self.activations is None else self.activations[indices]

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """(n,) int64."""
        labels: np.ndarray = self.kept.labels[indices]
        return labels

    def in_order(self, batch_size: int) -> Iterator[np.ndarray]:
        """Batches of those that are measured on."""
        yield from in_batches(self.measured, batch_size)

    @property
    def all_measured(self) -> KeptImages:
        """The same, where `in_order` goes through all of them."""
        return dataclasses.replace(self, measured=np.arange(len(self.kept.labels)))

    def behind(self, prefix: Prefix, boundary: str) -> KeptImages:
        """The same, where inputs are kept, as what `prefix` makes of them, the output named `boundary`."""
        batches = in_batches(np.arange(len(self.kept.labels)), prefix.images_at_once)
        parts = [prefix.run(self.kept.read(indices))[boundary] for indices in batches]
        return dataclasses.replace(self, activations=np.concatenate(parts)) if parts else self


_NONE = np.array([], np.int64)
NOTHING_KEPT = KeptImages(Kept(np.empty((0, 0), np.uint8), _NONE, *(np.empty(0, np.float32),) * 2), _NONE, _NONE)


def why_unusable(plan: Plan, settings: Settings) -> str | None:
    """Why what is kept for `plan` says nothing in such a run; None if it does, or nothing is kept."""
    if plan.kept and settings.reestimates and not keeps_inputs(plan):
        return "activations are kept as they are before batch-norm statistics are re-estimated"
    return None


def load_kept(bundle: Bundle, plan: Plan) -> KeptImages:
    """The images that are kept for `plan`. Raises TbftError for a file that is not what an exporter writes."""
    if not plan.kept:
        return NOTHING_KEPT
    name = kept_file(plan)
    shown = f"'{name}' of bundle '{bundle.shown or bundle.folder}'"
    try:
        tensors = load(bundle.read(name))
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise TbftError(f"{shown} is no safetensors file", "export the bundle again") from error
    for fault in kept_faults(tensors, plan, bundle.manifest):
        raise TbftError(f"{shown} has {fault}", "export the bundle again, or do not trust it")
    kept = Kept(**tensors)
    measured = np.flatnonzero(_turns(kept.labels) % 2 == 0)[:MOST_MEASURED]
    return KeptImages(kept, measured, np.setdiff1d(np.arange(len(kept.labels)), measured))


def _turns(labels: np.ndarray) -> np.ndarray:
    """How many of its class come before each of labels (N,)."""
    turns = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        turns[members] = np.arange(len(members))
    return turns
