"""The old head with its rows under other names: what is left to learn where only the labels changed."""

from __future__ import annotations

import numpy as np

from tbft_runtime.heads.assignment import Assignment
from tbft_runtime.heads.head import Fit, Head, members

# Of the largest sum of logits: less than any image adds, and enough that a class without images keeps its row.
_OWN_ROW = 1e-9


def renamed(old: Head, features: np.ndarray, labels: np.ndarray) -> Fit:
    """The most likely renaming: each label takes another row, so that the images' log-probabilities add up to the most.

    As every renaming divides by the same sum of exponentials, those are sums of logits. features (n, F), labels (n,)
    below the number of rows; labels without an image share what rows are left, their own if it is among them.
    An only image of its class still has an answer without it: by what rows the others left.
    """
    answers = old.logits(features)
    benefits = members(labels, old.classes).T @ answers
    benefits += np.eye(old.classes) * _OWN_ROW * np.abs(benefits).max()
    best = Assignment(benefits)
    left_out = np.stack(
        [
            answer[best.changed(label, benefits[label] - answer)]
            for answer, label in zip(answers, labels.tolist(), strict=True)
        ]
    )
    return Fit(Head(old.weight[best.columns], old.bias[best.columns]), left_out)
