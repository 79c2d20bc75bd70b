"""Running statistics of batch norms in a merge: which become what, by a policy that a plan has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tbft_artifacts.plan import BatchNormPolicy
from tbft_fleet.files.round import NormsPolicy


def default_norms(policy: BatchNormPolicy) -> NormsPolicy:
    """What becomes of statistics where a plan is trained with this policy of batch norms, unless somebody says other.

    Where they did not move they stay; where they did, what was learned fits them.
    """
    return "frozen" if policy == "frozen" else "merge"


def total_moments(
    means: np.ndarray, variances: np.ndarray, combine: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (k,) over all devices of channels whose means and variances on each are (n, k).

    m = C(m_i), v = C(v_i + (m_i - m)^2), where C is the rule. With a mean weighted by images this is the law of total
    variance, E[Var] + Var[E]: the variance of all images together, also where devices see different ones. Means of
    variances alone would be too small by what lies between devices.
    """
    mean = combine(means)
    return mean, combine(variances + (means - mean) ** 2)
