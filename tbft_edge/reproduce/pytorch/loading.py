"""A worker's network and images, from files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tbft_export.sources.resnet26 import ResNet26
from tbft_export.sources.weights import load_into, read_state_dict


@dataclass(frozen=True)
class Images:
    """`images` (N, S, S, 3) uint8, `labels` (N,) int64."""

    images: np.ndarray
    labels: np.ndarray


def load_network(weights: str, image_size: int) -> ResNet26:
    """Raises TbftError for weights that do not fit."""
    state = read_state_dict(Path(weights))
    network = ResNet26(len(state["fc.bias"]), image_size)
    load_into(network, state, Path(weights))
    return network


def read_labelled(path: str) -> Images:
    """Images and labels of an `.npz`."""
    with np.load(path, allow_pickle=False) as arrays:
        return Images(arrays["images"], arrays["labels"])


def read_images(path: str) -> np.ndarray:
    """Images (N, S, S, 3) of an `.npz` alone: labels that may lie beside them are not read."""
    with np.load(path, allow_pickle=False) as arrays:
        images: np.ndarray = arrays["images"]
        return images
