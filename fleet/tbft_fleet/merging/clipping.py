"""How far a device may move what all get: no further than a multiple of what is usual among them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_fleet.merging.part import Part

# By how many times the median norm an update is at most counted, unless somebody says other.
CLIP = 3.0
# What lies further out than both of these, as a multiple of the median norm and of the weights', no training makes. By
# one alone devices would be refused that have much to learn yet, beside others that have learned it.
_OF_MEDIAN, _OF_WEIGHTS = 100.0, 10.0


@dataclass(frozen=True)
class Moved:
    """How far a device moved some tensors, and how long they are: ||x - base||_2 and ||base||_2 over all values."""

    device: str
    age: int
    norm: float
    weights: float


def check_clip(clip: float) -> None:
    """Raises TbftError for a multiple of the median norm that would say nothing."""
    if not 1 <= clip < math.inf:
        why = "would shorten what is usual" if clip < 1 else "limits nothing"
        raise TbftError(f"`clip` {clip:g} {why}", "choose 1 or more, such as 3")


def moved(part: Part, names: Iterable[str]) -> Moved:
    """How far the tensors `names` of a part moved together."""
    names = tuple(names)
    norm = _norm(part.moved(name) for name in names)
    return Moved(part.device, part.age, norm, _norm(part.base[name].astype(np.float64) for name in names))


def usual_norm(norms: Sequence[float]) -> float:
    """The median of those norms that are not 0, the lower one of two: of two devices the one that moved less."""
    ordered = sorted(norm for norm in norms if norm > 0)
    return ordered[(len(ordered) - 1) // 2] if ordered else 0.0


def outliers(moves: Sequence[Moved]) -> list[Moved]:
    """Updates that no training makes. Late ones are only cut short: in their round others may have moved as far."""
    far = _OF_MEDIAN * usual_norm([each.norm for each in moves])
    return [each for each in moves if not each.age and each.norm > far and each.norm > _OF_WEIGHTS * each.weights]


def too_far(parts: Sequence[Part], *groups: Iterable[str]) -> set[str]:
    """The devices whose update of any group of tensors no training makes: a merge would refuse all for them.

    Without them others may be the ones that moved too far: until nobody is.
    """
    far: set[str] = set()
    moves = [[moved(part, names) for part in parts] for names in groups]
    while found := {
        each.device for group in moves for each in outliers([move for move in group if move.device not in far])
    }:
        far |= found
    return far


def kept_shares(moves: Sequence[Moved], clip: float) -> list[float]:
    """Which part (above 0 to 1) of each update counts: min(1, clip * median / norm).

    Norm clipping: Sun et al., "Can You Really Backdoor Federated Learning?", 2019, https://arxiv.org/abs/1911.07963;
    at a quantile of the norms: Andrew et al., "Differentially Private Learning with Adaptive Clipping", NeurIPS 2021,
    https://arxiv.org/abs/1905.03871

    Raises TbftError for an update that no training makes (`outliers`).
    """
    usual = usual_norm([each.norm for each in moves])
    for each in outliers(moves):
        raise TbftError(
            f"'{each.device}' cannot be merged: it moved {each.norm / usual:,.0f} times as far as is usual among them",
            "leave it out, and see what that device does",
        )
    return [min(1.0, clip * usual / each.norm) if each.norm else 1.0 for each in moves]


def _norm(tensors: Iterable[np.ndarray]) -> float:
    return float(np.sqrt(sum(float(np.square(tensor).sum()) for tensor in tensors)))
