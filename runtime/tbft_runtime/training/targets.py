"""What the answers to a batch are to become, where that is more, or less, than one class each."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import INFORMATION, LOG_MARGINAL, TARGETS
from tbft_runtime.graphs.sessions import Tensors


@dataclass(frozen=True)
class Targets:
    """Targets of N images among C classes; three arrays of float32.

    `targets` t (N, C): probabilities of the classes of each image. A row times w is the weight of its class, a row of
    zeros is no label. `information` lambda (N,): what part of the second term an image adds. `log_marginal` log m (C,):
    the mean answer that is wanted, as logarithms; with the mean of the answers p themselves that term is information
    maximisation (Liang, Hu, Feng, "Do We Really Need to Access the Source Data?", ICML 2020, arXiv 2002.08546).

        loss = 1/N sum over i of [ -sum_k t_ik log p_ik + lambda_i sum_k p_ik (log m_k - log p_ik) ]

    The mean is over all images, whatever their targets and lambdas are. Raises TbftError for other shapes and types,
    and for what is no number.
    """

    targets: np.ndarray
    information: np.ndarray
    log_marginal: np.ndarray

    def __post_init__(self) -> None:
        shapes = (self.targets.shape, self.information.shape, self.log_marginal.shape)
        if len(shapes[0]) != 2 or shapes[1:] != (shapes[0][:1], shapes[0][1:]):
            raise TbftError(
                f"targets have the shapes {shapes[0]}, {shapes[1]} and {shapes[2]}",
                "give targets (N, C), information (N,) and log_marginal (C,)",
            )
        for name, array in self.feeds.items():
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise TbftError(f"'{name}' has values that are no numbers of float32", "give finite ones of float32")

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def feeds(self) -> Tensors:
        """What a gradient graph takes in place of labels."""
        return {TARGETS: self.targets, INFORMATION: self.information, LOG_MARGINAL: self.log_marginal}


def smoothed(taught: Targets, part: float) -> Targets:
    """With so much (0 to 1) of what each image's row weighs spread evenly over all classes: (1 - part) t + part w / C.

    Label smoothing: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016
    (arXiv 1512.00567), section 7; the targets of PyTorch's `CrossEntropyLoss(label_smoothing=part)`.
    """
    if not part:
        return taught
    weights, share = taught.targets.sum(axis=1, keepdims=True), np.float32(part)
    spread = share / np.float32(taught.targets.shape[1]) * weights
    return dataclasses.replace(taught, targets=(1 - share) * taught.targets + spread)
