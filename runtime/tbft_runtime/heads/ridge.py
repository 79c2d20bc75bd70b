"""Ridge regression on one-hot labels as a head; what it says of an image that was left out has a closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tbft_runtime.heads.head import TINY, Fit, Head, alone, members

# Of the fitted head that a diagnosis compares with, against features of unit variance scaled to unit length.
DIAGNOSED = 0.3
# Half a decade apart: between neighbours accuracy hardly changes.
STRENGTHS = tuple(float(strength) for strength in 10.0 ** np.arange(-3, 3.1, 0.5))


def ridge(features: np.ndarray, labels: np.ndarray, classes: int, strengths: Sequence[float] = STRENGTHS) -> Fit:
    """Of `strengths` the one with the least squared error on images left out; every class counts alike.

    features (n, F), labels (n,) with every class of 0 to K - 1. Logits have no scale yet: they are near 1 or 0.
    """
    wanted = members(labels, classes)
    weights = np.sqrt(len(labels) / classes / wanted.sum(axis=0)[labels])[:, None]
    inputs, mean, deviation = _standardised(features)
    solved = _solve(inputs * weights, wanted * weights, strengths)
    size = features.shape[1]
    weight = (solved.coefficients[:size] / deviation[:, None]).T
    left_out = solved.left_out / weights
    left_out[alone(labels, classes), labels[alone(labels, classes)]] = -np.inf
    return Fit(Head.of(weight, solved.coefficients[size] - weight @ mean), left_out)


def right_by_fitted_head(features: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(n,) bool: is a linear head right that was fitted to the others? features (n, F), labels (n,) within range."""
    inputs, _, _ = _standardised(features)
    answers = _solve(inputs, members(labels, classes), (DIAGNOSED,)).left_out
    right: np.ndarray = answers.argmax(axis=1) == labels
    return right


@dataclass(frozen=True)
class _Solved:
    """`coefficients` (F + 1, K), and `left_out` (n, K): what those of all other rows answer."""

    coefficients: np.ndarray
    left_out: np.ndarray


def _standardised(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, F + 1), of unit length on average and with a 1 for the bias; mean and deviation (F,) that were taken off."""
    mean = features.astype(np.float64).mean(axis=0)
    centered = features - mean
    deviation = (centered.std(axis=0) + TINY) * np.sqrt(features.shape[1])
    return np.c_[centered / deviation, np.ones(len(features))], mean, deviation


def _solve(inputs: np.ndarray, wanted: np.ndarray, strengths: Sequence[float]) -> _Solved:
    """Ridge regression of `wanted` (n, K) on `inputs` (n, D), as strong as suits rows that are left out.

    A row's answer without it is (answer - h * wanted) / (1 - h), h its own entry of the hat matrix.
    """
    left, squares = _left_singular(inputs)
    along = left.T @ wanted
    best = None
    for strength in strengths:
        kept = squares / (squares + strength)
        own = (left**2 @ kept)[:, None]
        left_out = (left @ (kept[:, None] * along) - own * wanted) / (1 - own)
        error = float(((left_out - wanted) ** 2).sum())
        if best is None or error < best[0]:
            best = error, strength, left_out
    assert best is not None, "at least one strength is given"
    _, strength, left_out = best
    return _Solved(inputs.T @ (left @ (along / (squares + strength)[:, None])), left_out)


def _left_singular(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left singular vectors (n, r) and squared singular values (r,), from whichever product is the smaller."""
    if len(inputs) <= inputs.shape[1]:
        squares, left = np.linalg.eigh(inputs @ inputs.T)
        return left, np.maximum(squares, 0)
    squares, right = np.linalg.eigh(inputs.T @ inputs)
    kept = squares > squares[-1] * 1e-12
    return inputs @ right[:, kept] / np.sqrt(squares[kept]), squares[kept]
