"""Running statistics of batch norms: averaged while training, or re-estimated in one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import BatchNorm
from tbft_runtime.graphs.pooled import batch_statistic
from tbft_runtime.graphs.sessions import Graph
from tbft_runtime.run.state import Arrays


def check_batch(norms: Sequence[BatchNorm], images: int) -> None:
    """Raises TbftError if a batch of `images` gives a batch norm one value per channel: it has no variance."""
    for norm in norms:
        if images * norm.values < 2:
            raise TbftError(
                f"a batch of {images} gives batch norm '{norm.mean}' one value per channel, which has no variance",
                "choose a `batch_size` that leaves at least two images in the last batch, or export with "
                "`batch_norm` frozen",
            )


def average_into(current: Arrays, outputs: Arrays, norms: Sequence[BatchNorm]) -> None:
    """Running = (1 - momentum) * running + momentum * batch, as torch.nn.BatchNorm2d does.

    `outputs` holds the batch's mean and unbiased variance under `<name>.batch`.
    """
    for norm in norms:
        for name in (norm.mean, norm.variance):
            batch = batch_statistic(outputs, name)
            momentum = np.float32(norm.momentum)
            current[name] = (np.float32(1) - momentum) * current[name] + momentum * batch


def reestimate(
    statistics: Graph,
    norms: Sequence[BatchNorm],
    batches: Sequence[np.ndarray],
    read: Callable[[np.ndarray], np.ndarray],
) -> Arrays:
    """Mean and variance of every batch norm over all images: one pass in batch mode, weighted by image count.

    `batches` are index arrays, `read` gives their images (N, C, H, W). Batches see batch statistics
    in the layers before, as while training with batch statistics.
    """
    totals: Arrays = {}
    count = 0
    for indices in batches:
        check_batch(norms, len(indices))
        outputs = statistics.run({statistics.inputs[0]: read(indices)})
        for norm in norms:
            for name in (norm.mean, norm.variance):
                batch = batch_statistic(outputs, name).astype(np.float64) * len(indices)
                totals[name] = totals[name] + batch if name in totals else batch
        count += len(indices)
    return {name: (total / count).astype(np.float32) for name, total in totals.items()}
