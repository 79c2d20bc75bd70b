"""Weights between the base model's and those that were trained.

Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022: on the way from one to the other, what is learned
comes sooner than what was known goes.
"""

from __future__ import annotations

import numpy as np

from tbft_runtime.graphs.sessions import Tensors


def blended(base: Tensors, trained: Tensors, share: float) -> Tensors:
    """base + share * (trained - base) of every weight and running statistic that training changed.

    `trained` are all weights; those that it did not change are the very arrays of `base`. 0 gives the base model and 1
    the trained one, bit for bit.
    """
    if share == 1:
        return trained
    return {
        name: value if value is base[name] else base[name] + np.float32(share) * (value - base[name])
        for name, value in trained.items()
    }
