"""What tells domains apart: statistics of the channels in front of one norm, less those of the predicted class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import LOGITS
from tbft_artifacts.source import (
    CHANNEL_MEANS,
    CHANNEL_VARIANCES,
    FEATURES,
    LEAST_PART,
    LEAST_VARIANCE,
    NORM_COUNTS,
    NORM_COVARIANCE,
    NORM_MEANS,
    NORM_TAILS,
)
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.domains.statistics import Statistics, of_source
from tbft_runtime.graphs import roles
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.memory import Room
from tbft_runtime.graphs.sessions import Graph, Tensors, load_graph
from tbft_runtime.heads.source_domain import AGAIN, check_shapes, read_moments
from tbft_runtime.inference.batches import images_per_batch
from tbft_runtime.logits import check_logits


@dataclass(frozen=True)
class Seen:
    """Of N images: `described` (N, 2C), and the logits (N, K) of the network as it came."""

    described: np.ndarray
    logits: np.ndarray


@dataclass(frozen=True)
class ChannelReader:
    """Looks at images with the bundle's own weights, whichever domain they are of: one forward pass.

    `means` (K, 2C) are those of source images by the class that the network answers, without which a window that holds
    few classes would look like another domain; `covariance` (2C, 2C) is of what is left, over so many `images`.
    `tails` are mean and variance of the squared distances of single ones; None where the bundle does not say.
    """

    graph: Graph
    preprocessing: Preprocessing
    means: np.ndarray
    covariance: np.ndarray
    images: int
    tails: tuple[float, float] | None

    @classmethod
    def load(cls, bundle: Bundle, weights: Tensors, threads: int) -> ChannelReader:
        """Raises TbftError for a bundle that was exported without source images, or whose network has no such norm."""
        source, head, manifest = bundle.manifest.source or None, bundle.manifest.head or None, bundle.manifest
        shown = bundle.shown or bundle.folder
        if source is None or head is None:
            raise TbftError(
                f"bundle '{shown}' does not know what images of its source domain look like",
                "export it with `source`, and train again",
            )
        if source.norm is None:
            raise TbftError(
                f"the network of bundle '{shown}' has no batch norm in its second stage, by which domains are told",
                "keep a run for each domain, and choose the one to answer yourself",
            )
        tensors, where = read_moments(bundle)
        classes, size = bundle.compiled_classes or len(manifest.classes), 2 * source.channels
        check_shapes(
            tensors, {NORM_COUNTS: (classes,), NORM_MEANS: (classes, size), NORM_COVARIANCE: (size, size)}, where
        )
        counts = tensors[NORM_COUNTS]
        if counts.dtype != np.int64 or counts.min() < 0 or not counts.any():
            raise TbftError(f"{where} counts images of classes that there are not", AGAIN)
        # Of a class that was added, or that it answered for no image of the source, only what holds for all is known.
        overall = np.average(tensors[NORM_MEANS], axis=0, weights=counts)
        means = np.where(counts[:, None] > 0, tensors[NORM_MEANS], overall)
        added = np.tile(overall, (len(manifest.classes) - classes, 1))
        return cls(
            load_graph(
                bundle_graph(bundle, FEATURES),
                weights,
                threads,
                signature=roles.features(len(manifest.classes), head.features, source.channels),
                room=Room(images_per_batch(manifest.shape), manifest.shape),
            ),
            Preprocessing(manifest.preprocessing, manifest.shape),
            np.concatenate([means, added]).astype(np.float64),
            _invertible(tensors[NORM_COVARIANCE].astype(np.float64), where),
            int(counts.sum()),
            _tails(tensors, where),
        )

    def source(self, others: Sequence[Statistics] = ()) -> Statistics:
        """Those of the source domain, whose tails are as long as those of the `others` if the bundle does not say."""
        return of_source(self.covariance, self.images, others, self.tails)

    def look(self, pixels: np.ndarray) -> Seen:
        """(N, H, W, C) uint8 prepared pixels, one batch. Raises TbftError for answers that are no numbers."""
        found = self.graph.in_parts(self.preprocessing.normalize(pixels))
        logits = check_logits(found[LOGITS])
        channels = (
            found[CHANNEL_MEANS],
            np.log(np.maximum(found[CHANNEL_VARIANCES], 0, dtype=np.float64) + LEAST_VARIANCE),
        )
        described = np.concatenate(channels, axis=1) - self.means[logits.argmax(axis=1)]
        # Logits are finite where a channel is infinite and a later norm divides by what it is.
        check_logits(described)
        return Seen(described, logits)


def _tails(tensors: Tensors, where: str) -> tuple[float, float] | None:
    """Raises TbftError for those that no images have."""
    if NORM_TAILS not in tensors:
        return None
    check_shapes(tensors, {NORM_TAILS: (2,)}, where)
    level, spread = tensors[NORM_TAILS].astype(np.float64).tolist()
    if level <= 0 or spread < 0:
        raise TbftError(f"'{NORM_TAILS}' in {where} are distances of no images", AGAIN)
    return level, spread


def _invertible(covariance: np.ndarray, where: str) -> np.ndarray:
    """With a little on the diagonal, as channels that are off have no variance. Raises TbftError for what is none."""
    found: np.ndarray = covariance + LEAST_PART * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    try:
        np.linalg.cholesky(found)
    except np.linalg.LinAlgError as error:
        raise TbftError(f"'{NORM_COVARIANCE}' in {where} is no covariance", AGAIN) from error
    return found
