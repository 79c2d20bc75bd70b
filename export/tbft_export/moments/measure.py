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
    KEPT_FEATURES,
    KEPT_LABELS,
    LAST_FEATURES,
    LEAST_PART,
    LEAST_VARIANCE,
    MEANS,
    NORM_COUNTS,
    NORM_COVARIANCE,
    NORM_MEANS,
    NORM_TAILS,
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
# Images of a class, and of all, whose features are kept; and which part of a class's images at most.
MOST_KEPT, MOST_KEPT_OF_ALL, KEPT_PART = 20, 1000, 3
# Images for each number that describes one: of fewer nobody knows how far single ones lie.
FEWEST_PER_NUMBER = 10


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
    answers = read[LOGITS].argmax(axis=1)
    kept = _kept(labels, classes)
    others = np.setdiff1d(np.arange(len(labels)), kept)
    features = read[LAST_FEATURES][others].astype(np.float64)
    is_full = features.shape[1] <= MOST_FULL
    tensors = {
        COUNTS: np.bincount(labels[others], minlength=classes),
        MEANS: _means(features, labels[others], classes),
        SECOND: features.T @ features / len(features) if is_full else np.square(features).mean(axis=0),
        KEPT_FEATURES: read[LAST_FEATURES][kept].astype(np.float16),
        KEPT_LABELS: labels[kept],
    }
    if found.norm is not None:
        tensors |= _of_norm(read[CHANNEL_MEANS], read[CHANNEL_VARIANCES], answers, classes)
    source = Source(
        images=len(others),
        kept=len(kept),
        accuracy=float((answers == labels).mean()),
        second="full" if is_full else "diagonal",
        norm=found.norm,
        channels=found.channels,
    )
    return Moments({name: _stored(value) for name, value in tensors.items()}, source)


def _kept(labels: np.ndarray, classes: int) -> np.ndarray:
    """Indices, ascending, of the images whose features are kept: as many of each class, always the same ones.

    They take no part in the moments, so that these do not know them.
    """
    rng = np.random.default_rng(0)
    most = max(1, min(MOST_KEPT, MOST_KEPT_OF_ALL // classes))
    chosen = []
    for number in range(classes):
        own = rng.permutation(np.flatnonzero(labels == number))
        chosen.append(own[: min(most, len(own) // KEPT_PART)])
    return np.sort(np.concatenate(chosen))


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
        **_tails(described, answers, classes),
    }


def _tails(described: np.ndarray, answers: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """How far single images lie: either half of them is held against the other."""
    count, size = described.shape
    if count < FEWEST_PER_NUMBER * size:
        return {}
    # By chance: images may come in turns of their classes.
    order = np.random.default_rng(0).permutation(count)
    halves = [(described[part], answers[part]) for part in (order[::2], order[1::2])]
    found = np.concatenate([_distances(*ours, *theirs, classes) for ours, theirs in (halves, halves[::-1])])
    return {NORM_TAILS: np.array([found.mean(), found.var()])}


def _distances(
    known: np.ndarray, known_answers: np.ndarray, others: np.ndarray, other_answers: np.ndarray, classes: int
) -> np.ndarray:
    """Mahalanobis's, squared, of `others` (N, 2C) from the means and the covariance of what is known."""
    means = _means(known, known_answers, classes)
    # A class that the network answered to none of these has the mean of all.
    means[np.bincount(known_answers, minlength=classes) == 0] = known.mean(axis=0)
    left, away = known - means[known_answers], others - means[other_answers]
    # Channels that are off have no variance.
    covariance = left.T @ left / len(left)
    covariance += LEAST_PART * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    found: np.ndarray = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away) / (1 + 1 / len(known))
    return found


def _means(values: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The mean of each class, (K, F); zeros where it has no image."""
    members = np.eye(classes)[labels]
    means: np.ndarray = members.T @ values / np.maximum(members.sum(axis=0), 1)[:, None]
    return means


def _stored(values: np.ndarray) -> np.ndarray:
    """Whole numbers in 64 bits, others in 32, as far as they are not in less already."""
    if values.dtype == np.float16:
        return values
    return np.ascontiguousarray(values, np.int64 if values.dtype.kind == "i" else np.float32)


def _run(found: FeaturesModel, images: LabelledImages) -> dict[str, np.ndarray]:
    """Every output of the graph for all images."""
    session = Session.of(found.model)
    every = np.arange(len(images.labels))
    parts = [session.outputs({IMAGES: images.images(indices)}) for indices in batches(every)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
