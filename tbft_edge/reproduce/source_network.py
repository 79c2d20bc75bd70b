"""The trained network that meets the drift: a checkpoint, or one that is trained here first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tbft_artifacts.errors import TbftError
from tbft_edge import fingerprint
from tbft_edge.reproduce.case import Network
from tbft_edge.reproduce.datasets.images import LabelledImages
from tbft_edge.reproduce.datasets.living17 import SIDE, load_living17
from tbft_edge.reproduce.datasets.open import open_images
from tbft_edge.reproduce.datasets.source5 import source_images
from tbft_edge.reproduce.protocol import Suite

if TYPE_CHECKING:
    from tbft_edge.reproduce.pytorch.source_training import SourceEpoch

_CIFAR_SIDE = 32


def given_network(suite: Suite, weights: Path) -> Network:
    """A checkpoint, `.pth` or `.safetensors`. Raises TbftError if there is none."""
    if not weights.is_file():
        raise TbftError(f"weights '{weights}' do not exist", "give a trained ResNet-26, or --train-source")
    return Network(weights, fingerprint.of_file(weights), SIDE if suite == "living17" else _CIFAR_SIDE)


def trained_network(
    suite: Suite, data: Path, work: Path, threads: int, on_epoch: Callable[[SourceEpoch], None]
) -> Network:
    """Train by the authors' recipe for CIFAR-10, unless `work` holds the result of these images already.

    It goes on after the last whole epoch if it was stopped. Living17's own recipe was not published with the
    code, so it takes the same one. Raises TbftError for images that do not fit the suite.
    """
    from tbft_edge.reproduce.pytorch.source_recipe import AUTHORS_RECIPE
    from tbft_edge.reproduce.pytorch.source_training import train_source

    path = work / f"source-{fingerprint.of_words(suite, fingerprint.of_data(data))}.safetensors"
    if not path.exists():
        images = _images(suite, data, work)
        work.mkdir(parents=True, exist_ok=True)
        train_source(images, len(images.classes), path, AUTHORS_RECIPE, threads=threads, on_epoch=on_epoch)
    return given_network(suite, path)


def _images(suite: Suite, data: Path, work: Path) -> LabelledImages:
    if suite == "living17":
        return load_living17(data, "source", work)
    images = open_images(data, "train")
    return source_images(images, data) if suite == "source5" else images
