"""Corrupt images: which corruption, how strong, and with what randomness."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator, default_rng

from tbft_artifacts.errors import TbftError
from tbft_runtime.corruptions.corruption import Corruption, to_bytes, to_floats
from tbft_runtime.corruptions.severities import CIFAR_10_C, IMAGENET_C

# The 15 of CIFAR-10-C and ImageNet-C in the order of the paper, then the four extra ones.
CORRUPTIONS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
    "speckle_noise",
    "gaussian_blur",
    "spatter",
    "saturate",
)
SEVERITIES = (1, 2, 3, 4, 5)
# Up to this many pixels along the longer side, the strengths are those of CIFAR-10-C.
CIFAR_SIDE = 32
# Work on so many at once: 256 small images, and no more than some tens of megabytes.
BATCH_PIXELS = 256 * CIFAR_SIDE**2


def corrupt(images: np.ndarray, name: str, severity: int, seed: int, indices: np.ndarray | None = None) -> np.ndarray:
    """images (N, H, W, 3) uint8 -> as many, corrupted, uint8.

    `indices` (N,) say where in their data set the images stand; 0 to N − 1 by default. What an image becomes
    depends on itself, its index, `name`, `severity` (1 to 5) and `seed` (0 or more) alone. Images of up to
    32 pixels get the strengths of CIFAR-10-C, larger ones those of ImageNet-C.

    Raises TbftError for images of another form, and for an unknown name, severity or seed.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape[1:3]:
        raise TbftError(f"images are {images.dtype} {images.shape}, not uint8 (N, H, W, 3)", "give RGB bytes")
    check_corruption(name, severity, seed)
    corruption = corruption_for(name, severity, *images.shape[1:3])
    numbers = np.arange(len(images)) if indices is None else indices
    corrupted = np.empty_like(images)
    for batch in _batches(images):
        rngs = [_rng(seed, int(index), name, severity) for index in numbers[batch]]
        corrupted[batch] = to_bytes(corruption(to_floats(images[batch]), rngs))
    return corrupted


def check_corruption(name: str, severity: int, seed: int) -> None:
    """Raises TbftError if there is no such corruption."""
    if name not in CORRUPTIONS:
        raise TbftError(f"there is no corruption '{name}'", f"one of {', '.join(CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise TbftError(f"severity {severity} does not exist", "severities go from 1 to 5")
    if seed < 0:
        raise TbftError(f"seed {seed} is negative", "give 0 or more")


def corruption_for(name: str, severity: int, height: int, width: int) -> Corruption:
    """The corruption of that name, as strong as for images of that size."""
    table = CIFAR_10_C if max(height, width) <= CIFAR_SIDE else IMAGENET_C
    return table[name][severity - 1]


def _batches(images: np.ndarray) -> Iterator[slice]:
    size = images_at_once(*images.shape[1:3])
    return (slice(start, start + size) for start in range(0, len(images), size))


def images_at_once(height: int, width: int) -> int:
    """How many images of that size are corrupted together."""
    return max(BATCH_PIXELS // (height * width), 1)


def _rng(seed: int, index: int, name: str, severity: int) -> Generator:
    """Random numbers of one image; not of its place in a batch."""
    return default_rng([seed, index, int.from_bytes(name.encode(errors="surrogateescape"), "little"), severity])
