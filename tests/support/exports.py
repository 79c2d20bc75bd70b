"""Bundles that several tests of the compiler share, each exported once. Host only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from support import odd_models
from support.batches import Batch
from support.settled_models import IMAGE_SIZES
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.locks import open_lock, take
from tbft_artifacts.manifest import DriftChoice
from tbft_artifacts.plan import BatchNormPolicy
from tbft_export import ExportOptions, export_bundle, plans
from tbft_export.graph.forward import ForwardModel
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import plan_training
from tbft_export.pipeline import PassRunner
from tbft_export.sources.given_shape import GivenShape
from tbft_export.sources.load import load_model
from tbft_export.training_plan import TrainingPlan

# The published ResNet-26 and real photos, where they lie beside the checkout.
_DATA = Path(__file__).parents[3] / "shared" / "data"
REAL_WEIGHTS = _DATA / "resnet26_cifar10.pth"
REAL_IMAGES = _DATA / "cifar10_jpeg_test.npz"
REAL = "real"


class Exporter:
    """Exports into `folder` what is not there yet; several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self, network: str, drift: DriftChoice, policy: BatchNormPolicy | None, *, masked: bool = False
    ) -> Bundle:
        """The bundle of a network of `support.settled_models`, or of the published ResNet-26 (`REAL`)."""
        out = self.folder / f"{network}-{drift}-{policy}{'-masked' if masked else ''}"
        with alone_with(out.with_name(f"{out.name}.lock")):
            if not out.exists():
                options = ExportOptions(
                    model="resnet26" if network == REAL else f"support.settled_models:{network}",
                    weights=REAL_WEIGHTS if network == REAL else None,
                    drift=drift,
                    batch_norm=policy,
                    image_size=None if network == REAL else IMAGE_SIZES[network],
                )
                with masked_plans(masked):
                    export_bundle(options, out)
        return open_bundle(out)


@contextmanager
def alone_with(lock: Path) -> Iterator[None]:
    """Inside, no other process is."""
    descriptor = open_lock(lock, 0o600)
    try:
        take(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def masked_plans(masked: bool = True) -> Iterator[None]:
    """Inside, every plan that is exported has a masked backward, if `masked`."""

    def planned(name: str, network: Network, options: MethodOptions) -> tuple[TrainingPlan, ...]:
        return tuple(replace(plan, masked=masked) for plan in plan_training(name, network, options))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "plan_training", planned)
        yield


@cache
def forward_of(model: str) -> ForwardModel:
    """The forward graph of `module:factory` in this package; tests only read it."""
    size = IMAGE_SIZES.get(model.partition(":")[2], odd_models.IMAGE_SIZE)
    return load_model(f"support.{model}", None, None, GivenShape((size, size)), PassRunner()).forward


def real_batches(sizes: tuple[int, ...], seed: int) -> list[Batch]:
    """Batches of different photos with Gaussian noise (CIFAR-10-C's strongest), as the published network wants them."""
    with np.load(REAL_IMAGES) as data:
        images, labels = data["images"], data["labels"]
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(labels))[: sum(sizes)]
    noisy = np.clip(images[chosen] / 255 + rng.normal(0, 0.1, images[chosen].shape), 0, 1)
    pixels = ((noisy - 0.5) / 0.5).transpose(0, 3, 1, 2).astype(np.float32)
    ends = np.cumsum(sizes)[:-1]
    return [
        Batch(np.ascontiguousarray(part), part_labels)
        for part, part_labels in zip(np.split(pixels, ends), np.split(labels[chosen], ends), strict=True)
    ]
