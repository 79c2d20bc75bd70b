"""What a network answers to all images of a run, or to some of them, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbft_runtime.run.unlabelled_record import Sureness
from tbft_runtime.softmax import softmax
from tbft_runtime.training.teaching import Answers
from tbft_runtime.unlabelled.information import classes_in_use, entropies


@dataclass(frozen=True)
class Survey:
    """Answers to N images among C classes: store indices (N,), entropies (N,) in nats, and the mean answer (C,)."""

    indices: np.ndarray
    entropies: np.ndarray
    mean: np.ndarray

    @property
    def sureness(self) -> Sureness:
        """Of all of them."""
        return Sureness(entropy=float(self.entropies.mean()), classes=classes_in_use(self.mean))


def survey(answers: Answers) -> Survey:
    """Look at answers as they come, of which no more is kept than an entropy each."""
    indices, found, total = [], [], np.zeros(())
    for some, logits in answers:
        probabilities = softmax(logits)
        indices.append(some)
        found.append(entropies(probabilities))
        total = total + probabilities.sum(axis=0)
    every = np.concatenate(indices)
    return Survey(every, np.concatenate(found), total / len(every))
