"""CIFAR-10-C: the test set of CIFAR-10 under 15 corruptions in 5 severities.

Source: Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations" (ICLR 2019), https://zenodo.org/records/2535967, CC-BY 4.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.cifar10 import CLASSES, SIDE, as_cifar10
from tbft_edge.reproduce.datasets.downloads import CIFAR10_C
from tbft_edge.reproduce.datasets.images import LabelledImages, labelled_images
from tbft_edge.reproduce.datasets.open import open_images
from tbft_runtime.corruptions.corrupt import CORRUPTIONS, SEVERITIES, check_corruption, corrupt

# The ones that the paper averages over; CIFAR-10-C has four more.
PAPER_CORRUPTIONS = CORRUPTIONS[:15]
FOLDER = "CIFAR-10-C"
_LABELS = "labels.npy"


def corrupted(source: Path, name: str, severity: int, seed: int = 0) -> LabelledImages:
    """CIFAR-10's test set under one corruption.

    If `source` is a CIFAR-10-C folder its images are taken; of any other source, whose images are clean, the
    corruption is made here, from `seed`. Raises TbftError if there is neither.
    """
    folder = cifar10_c_folder(source)
    if folder is not None:
        return load_corruption(folder, name, severity)
    check_corruption(name, severity, seed)
    clean = as_cifar10(open_images(source, "test"), source)
    return LabelledImages(corrupt(clean.images, name, severity, seed), clean.labels, clean.classes)


def cifar10_c_folder(path: Path) -> Path | None:
    """The folder of CIFAR-10-C, if `path` is it or its parent."""
    for folder in (path, path / FOLDER):
        if any((folder / name).is_file() for name in (_LABELS, *(f"{name}.npy" for name in CORRUPTIONS))):
            return folder
    return None


def check_files(folder: Path, names: Sequence[str] = PAPER_CORRUPTIONS) -> None:
    """Raises TbftError that names every missing file: better now than after hours of training."""
    missing = [file for file in (_LABELS, *(f"{name}.npy" for name in names)) if not (folder / file).is_file()]
    if missing:
        raise TbftError(f"'{folder}' has no {', '.join(missing)}", CIFAR10_C)


def load_corruption(folder: Path, name: str, severity: int) -> LabelledImages:
    """The images (N, 32, 32, 3) of one file at one severity, 1 to 5, mapped from the disk.

    A file has five times N images, severity 1 first. Raises TbftError if files are missing or of another form.
    """
    check_corruption(name, severity, seed=0)
    check_files(folder, [name])
    every_label = _map(folder / _LABELS)
    count, rest = divmod(every_label.size, len(SEVERITIES))
    if every_label.ndim != 1 or rest:
        raise TbftError(f"'{folder / _LABELS}' is {every_label.shape}, not five times the same labels", CIFAR10_C)
    by_severity = every_label.reshape(len(SEVERITIES), count)
    if (by_severity != by_severity[0]).any():
        raise TbftError(f"'{folder / _LABELS}' differs between severities", CIFAR10_C)
    path = folder / f"{name}.npy"
    images = _map(path)
    if images.shape != (len(every_label), SIDE, SIDE, 3):
        raise TbftError(f"'{path}' is {images.shape}, not {(len(every_label), SIDE, SIDE, 3)}", CIFAR10_C)
    return labelled_images(images[(severity - 1) * count : severity * count], by_severity[0], CLASSES, path)


def _map(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise TbftError(f"'{path}' cannot be read: {error}", CIFAR10_C) from error
