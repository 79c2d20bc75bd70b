"""How far a device may move what all get: no further than a multiple of what is usual among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_fleet.merging.part import Part

# By how many times the median norm an update is at most counted, unless somebody says other.
CLIP = 3.0
# What lies further out is no update that training makes.
REFUSED = 100.0


def update_norm(part: Part, names: Iterable[str]) -> float:
    """||x - base||_2 over all values of the tensors `names`."""
    return float(np.sqrt(sum(float(np.square(part.moved(name)).sum()) for name in names)))


def usual_norm(norms: Sequence[float]) -> float:
    """The median of those norms that are not 0, the lower one of two: of two devices the one that moved less."""
    moved = sorted(norm for norm in norms if norm > 0)
    return moved[(len(moved) - 1) // 2] if moved else 0.0


def kept_shares(parts: Sequence[Part], norms: Sequence[float], clip: float) -> list[float]:
    """Which part (above 0 to 1) of each update counts: min(1, clip * median / norm).

    Norm clipping: Sun et al., "Can You Really Backdoor Federated Learning?", 2019, https://arxiv.org/abs/1911.07963;
    at a quantile of the norms: Andrew et al., "Differentially Private Learning with Adaptive Clipping", NeurIPS 2021,
    https://arxiv.org/abs/1905.03871

    Raises TbftError for an update more than `REFUSED` times as far as the median.
    """
    usual = usual_norm(norms)
    for part, norm in zip(parts, norms, strict=True):
        if norm > REFUSED * usual:
            raise TbftError(
                f"'{part.device}' cannot be merged: it moved {norm / usual:,.0f} times as far as is usual among them",
                "leave it out, and see what that device does",
            )
    return [min(1.0, clip * usual / norm) if norm else 1.0 for norm in norms]
