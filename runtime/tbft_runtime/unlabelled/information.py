"""What answers say without any label: how sure each is, what they are on average, and which images teach.

Learning is information maximisation: each answer is to be sure, and all of them together are to be of many classes
(Liang, Hu, Feng, "Do We Really Need to Access the Source Data?", ICML 2020, arXiv 2002.08546). Images whose answer is
unsure are left out, as Niu et al. do ("Efficient Test-Time Model Adaptation without Forgetting", ICML 2022,
arXiv 2204.02610): their gradients are the least reliable, and a backward pass each is saved.
"""

from __future__ import annotations

import math

import numpy as np

# An answer is unsure whose entropy is above this part of the largest one, log C: that of Niu et al.
UNSURE = 0.4
# Which part of the running mean of answers stays, with each batch.
KEPT = 0.9
# No class is left without any part of the mean, of which the logarithm is taken.
LEAST = 1e-6


def entropies(probabilities: np.ndarray) -> np.ndarray:
    """Of each answer, in nats: probabilities (…, C) -> (…,)."""
    logarithms = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    found: np.ndarray = -(probabilities * logarithms).sum(axis=-1)
    return found


def sure(entropy: np.ndarray, classes: int) -> np.ndarray:
    """Which images teach: entropies (N,) of their answers -> (N,) bool."""
    found: np.ndarray = entropy <= UNSURE * math.log(classes)
    return found


def classes_in_use(mean: np.ndarray) -> float:
    """How many classes answers are of, whose mean is `mean` (C,): the exponential of its entropy, from 1 to C."""
    return math.exp(float(entropies(mean)))


def moved(mean: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The running mean of answers (C,), after a batch of probabilities (n, C)."""
    found: np.ndarray = KEPT * mean + (1 - KEPT) * probabilities.mean(axis=0)
    return found


def log_marginal(mean: np.ndarray) -> np.ndarray:
    """The logarithm of a running mean (C,), finite, as the gradient graph takes it: (C,) float32."""
    found: np.ndarray = np.log(np.maximum(mean, LEAST)).astype(np.float32)
    return found
