"""Batch statistics of parts of a batch, as those of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_artifacts.names import BATCH_SUFFIX
from tbft_runtime.graphs.sessions import Tensors


def batch_statistic(outputs: Tensors, name: str) -> np.ndarray:
    """The batch's statistic `name`. Raises TbftError where the graphs compute none, or several numbers per channel."""
    found = outputs.get(name + BATCH_SUFFIX)
    if found is None or found.ndim != 1:
        raise TbftError(f"the graphs do not compute '{name}' of a batch", "export the bundle again")
    return found


def pooled(norms: Sequence[BatchNorm], parts: Sequence[Tensors], images: Sequence[int]) -> dict[str, np.ndarray]:
    """Mean and unbiased variance (C,) of each norm over parts of so many `images`, from those of each part.

        mean = sum_i M_i m_i / M;   variance = (sum_i (M_i - 1) v_i + sum_i M_i (m_i - mean)^2) / (M - 1)

    over M = sum_i M_i values per channel: within the parts plus between them, so that it is what the inputs of the
    norm give as one batch. Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance", 1983.
    """
    together = {}
    for norm in norms:
        means = np.array([batch_statistic(part, norm.mean) for part in parts], np.float64)
        variances = np.array([batch_statistic(part, norm.variance) for part in parts], np.float64)
        counts = np.array([[count * norm.values] for count in images], np.float64)
        total = counts.sum()
        mean = (counts * means).sum(axis=0) / total
        within_and_between = ((counts - 1) * variances + counts * (means - mean) ** 2).sum(axis=0)
        together[norm.mean + BATCH_SUFFIX] = mean.astype(np.float32)
        together[norm.variance + BATCH_SUFFIX] = (within_and_between / (total - 1)).astype(np.float32)
    return together
