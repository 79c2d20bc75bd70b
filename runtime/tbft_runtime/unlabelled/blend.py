"""Statistics of batch norms between the network's own and those of a device's images.

Statistics of few classes spoil answers, and so do those of an input that did not drift. Between both lies what is
better than either: Schneider et al. mix them by numbers of images ("Improving robustness against common corruptions by
covariate shift adaptation", NeurIPS 2020, arXiv 2006.16971). Here the sureness of the answers says how.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tbft_artifacts.manifest import BatchNorm
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.run.state import Arrays

# Parts that the network's own statistics may have, the first of equally good ones first.
SHARES = (0.0, 0.125, 0.25, 0.5, 1.0)
# Where labelled images decide, what they decide on is trained, and so mostly of these images.
CHECKED_SHARES = SHARES[:-1]


def blended(own: Tensors, estimated: Tensors, norms: Sequence[BatchNorm], share: float) -> Arrays:
    """Mean and variance of each of `norms` over two kinds of images, of which `share` (0 to 1) have the `own` ones.

    Variances include what lies between both means. As given where that is all: bit for bit.
    """
    if share in (0.0, 1.0):
        source = own if share else estimated
        return {name: source[name].copy() for norm in norms for name in (norm.mean, norm.variance)}
    found: Arrays = {}
    part, rest = np.float32(share), np.float32(1 - share)
    for norm in norms:
        gap = own[norm.mean] - estimated[norm.mean]
        found[norm.mean] = part * own[norm.mean] + rest * estimated[norm.mean]
        found[norm.variance] = part * own[norm.variance] + rest * estimated[norm.variance] + part * rest * gap * gap
    return found
