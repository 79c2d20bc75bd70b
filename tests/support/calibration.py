"""Images that an export reads: for an int8 prefix labelled by the network itself, and for exits. Host only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from support.batches import random_batches
from support.toys import coloured_squares
from tbft_artifacts.manifest import Manifest
from tbft_export.quantization.split import split
from tbft_runtime.data.preprocessing import Preprocessing


@dataclass(frozen=True)
class ArrayImages:
    """Images (N, C, H, W) float32 in memory; an `ImageReader` of itself."""

    values: np.ndarray
    labels: np.ndarray

    def __call__(self, manifest: Manifest) -> ArrayImages:
        assert self.values.shape[1:] == manifest.shape
        return self

    def images(self, indices: np.ndarray) -> np.ndarray:
        return self.values[indices]


def clear_images(net: nn.Module, image_size: int, classes: int, count: int) -> ArrayImages:
    """Of four times as many random images, those that `net` is surest of; its answers are their labels.

    So the network is always right in float32, and rounding alone changes none of its answers.
    """
    (batch,) = random_batches([4 * count], image_size, classes, seed=1)
    with torch.no_grad():
        logits = net.eval()(torch.from_numpy(batch.images)).numpy()
    ordered = np.sort(logits, axis=1)
    surest = np.sort(np.argsort(ordered[:, -2] - ordered[:, -1])[:count])
    return ArrayImages(batch.images[surest], logits[surest].argmax(axis=1))


def patchworks(image_size: int, classes: int, count: int) -> ArrayImages:
    """Images that show their class, for exits to learn."""
    (batch,) = random_batches([count], image_size, classes, seed=1)
    return ArrayImages(batch.images, batch.labels)


def squares(manifest: Manifest) -> ArrayImages:
    """An `ImageReader` of coloured squares, read as a device reads them."""
    images, labels = coloured_squares(200, seed=7, size=manifest.shape.height)
    return ArrayImages(Preprocessing(manifest.preprocessing, manifest.shape).normalize(images), labels)


def badly_calibrated(images: ArrayImages) -> ArrayImages:
    """The same with black images where the split takes those that calibrate."""
    values = images.values.copy()
    values[split(len(values)).calibration] = 0
    return ArrayImages(values, images.labels)
