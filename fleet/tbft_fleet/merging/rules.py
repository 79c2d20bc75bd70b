"""How values of several devices become one, coordinate by coordinate; whatever their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from tbft_artifacts.errors import TbftError

Rule = Literal["mean", "trimmed", "median"]
# Which part of the devices is cut off at either end of a trimmed mean, at least one: the most liars that it outlives.
TRIMMED = 0.2
_FEWEST_TO_TRIM = 3
# By how many times the median of images a device counts at most: nobody can check how many it learned from.
MOST_IMAGES = 3.0
# Sums of weights that are equal but for their rounding.
_ROUNDING = 1e-9

# Values (n, k) and weights (n,), both float64, -> (k,).
Combine = Callable[[np.ndarray, np.ndarray], np.ndarray]


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """sum_i w_i x_i / sum_i w_i: (n, k), (n,) -> (k,), float64.

    FedAvg, with images as weights (see `rule_weights`): McMahan et al., "Communication-Efficient Learning of Deep
    Networks from Decentralized Data", AISTATS 2017, https://arxiv.org/abs/1602.05629
    """
    result: np.ndarray = (weights / weights.sum()) @ values
    return result


def trimmed_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted mean without the `TRIMMED` lowest and highest values of each coordinate: (n, k), (n,) -> (k,).

    They are cut off by their number, whatever they weigh: who claims many images moves a result no further than to
    what others have. Yin et al., "Byzantine-Robust Distributed Learning", ICML 2018, https://arxiv.org/abs/1803.01498

    Raises TbftError for fewer than 3 devices.
    """
    if len(values) < _FEWEST_TO_TRIM:
        raise TbftError(
            f"of {len(values)} devices nobody can be left out: a trimmed mean takes {_FEWEST_TO_TRIM} at least",
            "give more, or choose another `rule`",
        )
    cut = max(1, int(TRIMMED * len(values)))
    ordered, their_weights = _in_order(values, weights)
    kept, shares = ordered[cut:-cut], their_weights[cut:-cut]
    result: np.ndarray = (kept * shares).sum(axis=0) / shares.sum(axis=0)
    return result


def median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The value with half of the weight on either side, the mean of two where it lies between: (n, k), (n,) -> (k,).

    Coordinate-wise median: Yin et al., ICML 2018, https://arxiv.org/abs/1803.01498
    """
    ordered, their_weights = _in_order(values, weights)
    below = np.cumsum(their_weights, axis=0) / weights.sum()
    lower = np.argmax(below >= 0.5 - _ROUNDING, axis=0)[np.newaxis]
    upper = np.argmax(below > 0.5 + _ROUNDING, axis=0)[np.newaxis]
    result: np.ndarray = (np.take_along_axis(ordered, lower, 0) + np.take_along_axis(ordered, upper, 0))[0] / 2
    return result


RULES: Mapping[Rule, Combine] = {"mean": mean, "trimmed": trimmed_mean, "median": median}


def freshness(age: int) -> float:
    """What a result that is `age` rounds late counts, beside 1 of one in time: 1 / sqrt(1 + age).

    FedAsync's polynomial s(t - tau) = (t - tau + 1)^-a with a = 1/2: Xie, Koyejo, Gupta, "Asynchronous Federated
    Optimization", 2019, https://arxiv.org/abs/1903.03934
    """
    return float((1 + age) ** -0.5)


def rule_weights(rule: Rule, images: np.ndarray, ages: np.ndarray) -> np.ndarray:
    """What each of n devices counts (n,) float64, which sums to 1; `images` and `ages` are (n,).

    By images, up to `MOST_IMAGES` times their median (of two the lower one), and freshness; to a median each device is
    one vote, which only age makes less. Else whoever claims most images decides.
    """
    fresh = np.array([freshness(age) for age in ages.tolist()])
    usual = np.sort(images)[(len(images) - 1) // 2]
    weights = fresh if rule == "median" else fresh * np.minimum(images, MOST_IMAGES * usual)
    result: np.ndarray = weights / weights.sum()
    return result


def _in_order(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (n, k) in ascending order, and the weight (n, k) of each; of equal ones the lighter first."""
    spread = np.broadcast_to(weights[:, np.newaxis], values.shape)
    order = np.lexsort((spread, values), axis=0)
    return np.take_along_axis(values, order, 0), np.take_along_axis(spread, order, 0)
