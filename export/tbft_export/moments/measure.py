"""Moments of labelled images of the source domain, by class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import LOGITS
from tbft_artifacts.source import (
    CHANNEL_MEANS,
    CHANNEL_VARIANCES,
    COUNTS,
    LAST_FEATURES,
    LEAST_VARIANCE,
    MEANS,
    NORM_COUNTS,
    NORM_COVARIANCE,
    NORM_MEANS,
    SECOND,
    Source,
)
from tbft_export.graph.forward import IMAGES
from tbft_export.graph.sessions import Session
from tbft_export.images import LabelledImages, batches
from tbft_export.moments.features import FeaturesModel

# Of more features the second moment takes more than 4 MB: only its diagonal is kept.
MOST_FULL = 1024
# With fewer images of a class its mean is that of the images.
FEWEST_PER_CLASS = 2


@dataclass(frozen=True)
class Moments:
    """The tensors of `moments.safetensors`, and what the manifest says of them."""

    tensors: Mapping[str, np.ndarray]
    source: Source


def measure_moments(found: FeaturesModel, images: LabelledImages, classes: int) -> Moments:
    """One pass over `images`. Raises TbftError where a class has too few of them."""
    labels = images.labels
    counts = np.bincount(labels, minlength=classes)
    if counts.min() < FEWEST_PER_CLASS:
        raise TbftError(
            f"class number {int(counts.argmin())} has {counts.min()} labelled images of the source, whose moments "
            "would say nothing",
            f"give at least {FEWEST_PER_CLASS} of each class with `source`; some tens are better",
        )
    read = _run(found, images)
    features, answers = read[LAST_FEATURES].astype(np.float64), read[LOGITS].argmax(axis=1)
    is_full = features.shape[1] <= MOST_FULL
    second = features.T @ features / len(labels) if is_full else np.square(features).mean(axis=0)
    tensors = {COUNTS: counts, MEANS: _means(features, labels, classes), SECOND: second}
    if found.norm is not None:
        tensors |= _of_norm(read[CHANNEL_MEANS], read[CHANNEL_VARIANCES], answers, classes)
    source = Source(
        images=len(labels),
        accuracy=float((answers == labels).mean()),
        second="full" if is_full else "diagonal",
        norm=found.norm,
        channels=found.channels,
    )
    return Moments({name: _stored(value) for name, value in tensors.items()}, source)


def _of_norm(means: np.ndarray, variances: np.ndarray, answers: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """Channel statistics (N, C), by the class that the network answers: a device knows no other.

    What is left without the mean of its class has a covariance, and a window of images whose rest is far from 0
    drifted, whichever classes are in it.
    """
    described = np.concatenate([means, np.log(variances.astype(np.float64) + LEAST_VARIANCE)], axis=1)
    by_class = _means(described, answers, classes)
    left = described - by_class[answers]
    return {
        NORM_COUNTS: np.bincount(answers, minlength=classes),
        NORM_MEANS: by_class,
        NORM_COVARIANCE: left.T @ left / len(left),
    }


def _means(values: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The mean of each class, (K, F); zeros where it has no image."""
    members = np.eye(classes)[labels]
    means: np.ndarray = members.T @ values / np.maximum(members.sum(axis=0), 1)[:, None]
    return means


def _stored(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.int64 if values.dtype.kind == "i" else np.float32)


def _run(found: FeaturesModel, images: LabelledImages) -> dict[str, np.ndarray]:
    """Every output of the graph for all images."""
    session = Session.of(found.model)
    every = np.arange(len(images.labels))
    parts = [session.outputs({IMAGES: images.images(indices)}) for indices in batches(every)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
