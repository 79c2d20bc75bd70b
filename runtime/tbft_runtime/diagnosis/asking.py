"""Which images to label, of many that have no label: `diagnose --ask`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tbft_artifacts.archive import opened
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.heads.typical import typical
from tbft_runtime.inference.batches import images_per_batch, in_batches, pixels_of
from tbft_runtime.inference.prediction import Pictures
from tbft_runtime.progress import Progress, Silent
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve


@dataclass(frozen=True)
class AskOptions:
    """What to choose from."""

    data: str | Path
    """Images without labels: a folder of pictures at any depth, or an .npz file; labels are not looked at."""
    count: int
    """How many to name."""
    seed: int = 0
    """Decides where the search for kinds of images begins."""
    threads: int | None = None
    """How many compute; None: one for each core that the process may use."""
    expect_id: str | None = None
    """The id that the bundle must have, all 64 digits; None: whichever it has."""


@dataclass(frozen=True)
class Asked:
    """Names of the `images` to label, what stands for most images first, out of `seen`."""

    images: tuple[str, ...]
    seen: int


def ask(bundle: str | os.PathLike[str], options: AskOptions, progress: Progress | None = None) -> Asked:
    """Look at every image once, with the features before the bundle's head.

    Raises TbftError for a bundle without a plan for its head, and for data without a picture that can be read.
    """
    progress = progress or Silent()
    with opened(bundle, options.expect_id) as verified:
        names, features = _features(verified, _head(verified), options, progress)
    chosen = typical(features, min(options.count, len(names)), options.seed)
    return Asked(tuple(names[index] for index in chosen), len(names))


def _head(bundle: Bundle) -> Plan:
    head = next((plan for plan in bundle.manifest.plans if plan.drift == "output" and not plan.exits), None)
    if head is None:
        raise TbftError(
            f"bundle '{bundle.folder}' has no plan that trains its head alone, so no features before it",
            "export it with `drift` output or all",
        )
    return head


def _features(bundle: Bundle, head: Plan, options: AskOptions, progress: Progress) -> tuple[list[str], np.ndarray]:
    """Name and features (n, F) of every image that can be read."""
    manifest = bundle.manifest
    most = images_per_batch(manifest.shape)
    settings = resolve(TrainOptions(data="", out="", seed=options.seed, threads=options.threads), head, bundle)
    prefix = load_prefix(bundle, head, settings, load_weights(bundle), images=most)
    assert prefix is not None, "a head that is trained alone has the network before it"
    preprocessing = Preprocessing(manifest.preprocessing, manifest.shape)
    pictures = Pictures(
        preprocessing, manifest.classes, lambda name, problem: progress.note(f"skipped {name}: {problem}")
    )
    names: list[str] = []
    rows = []
    for batch in in_batches(pictures.of([options.data]), manifest.shape):
        boundary = prefix.run(preprocessing.normalize(pixels_of(batch)))[head.boundary.name]
        rows.append(boundary.reshape(len(batch), -1))
        names += [item.name for item in batch]
    if pictures.unreadable:
        raise pictures.unreadable[0]
    return names, np.concatenate(rows)
