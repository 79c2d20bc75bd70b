"""Losses in which every class counts alike, however many images it has: `class_weights` "balanced"."""

from __future__ import annotations

import numpy as np

from tbft_runtime.training.targets import Targets


def balanced_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """The weight of an image of each class, (classes,) float32: N / (K n) for labels (N,) within range.

    K is how many classes have images, n how many images one has, so that all together weigh N, and each class N / K
    (King and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 2001). A class without images has 0.
    """
    counts = np.bincount(labels, minlength=classes)
    present = counts > 0
    weights = np.zeros(classes, np.float32)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return weights


def weighted(labels: np.ndarray, weights: np.ndarray) -> Targets:
    """Targets whose loss is the mean over images of weight times cross-entropy; labels (N,), weights (C,) float32."""
    targets = np.zeros((len(labels), len(weights)), np.float32)
    targets[np.arange(len(labels)), labels] = weights[labels]
    return Targets(targets, np.zeros(len(labels), np.float32), np.zeros(len(weights), np.float32))
