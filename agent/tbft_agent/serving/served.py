"""A model that is loaded, and looks at images: what it answers, and the numbers by which drift is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from tbft_agent.watching.normal import Normal
from tbft_agent.watching.pixels import numbers_of
from tbft_artifacts.archive import opened
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.domains.reader import ChannelReader
from tbft_runtime.exits.staged import Answers
from tbft_runtime.graphs.sessions import Tensors, checked_threads
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.inference.model import unknown_above
from tbft_runtime.inference.predictor import Answer, Predictor, each_answer
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.trained import open_trained
from tbft_runtime.softmax import softmax
from tbft_runtime.training.sparse_rows import merged


@dataclass(frozen=True)
class Looked:
    """Of one image: the answer, the number of its class, and the numbers (D,) by which drift is seen."""

    answer: Answer
    label: int
    numbers: np.ndarray

    @property
    def confidence(self) -> float:
        """How likely the answer is, 0 to 1."""
        return float(self.answer.probabilities.max())


class Eyes(Protocol):
    """Looks at prepared pixels (N, H, W, C)."""

    @property
    def preprocessing(self) -> Preprocessing: ...

    def look(self, pixels: np.ndarray) -> tuple[Answers, np.ndarray]:
        """Answers to N images, and the numbers (N, D) of each."""


@dataclass(frozen=True)
class NormEyes:
    """One pass gives both: what a norm of the network sees tells whether images are others."""

    reader: ChannelReader

    @property
    def preprocessing(self) -> Preprocessing:
        return self.reader.preprocessing

    def look(self, pixels: np.ndarray) -> tuple[Answers, np.ndarray]:
        seen = self.reader.look(pixels)
        return Answers(seen.logits, [None] * len(pixels)), seen.described


@dataclass(frozen=True)
class PixelEyes:
    """Of a bundle that knows nothing of its source images, and of models with several exits."""

    predictor: Predictor

    @property
    def preprocessing(self) -> Preprocessing:
        return self.predictor.model.preprocessing

    def look(self, pixels: np.ndarray) -> tuple[Answers, np.ndarray]:
        answers = self.predictor.model.answers(pixels)
        likely = softmax(answers.logits)
        return answers, numbers_of(pixels, likely, channels_last=not self.preprocessing.is_signal)


@dataclass(frozen=True)
class Served:
    """A loaded model.

    `normal` is what its images look like, as far as the bundle knows that; `prior` (D, D) the covariance that stands
    for what a few images do not tell.
    """

    eyes: Eyes
    classes: tuple[str, ...]
    unknown_above: float | None
    normal: Normal | None
    prior: np.ndarray | None

    @property
    def preprocessing(self) -> Preprocessing:
        return self.eyes.preprocessing

    @property
    def sees_norms(self) -> bool:
        """Whether the network itself tells drift, and not pixels alone."""
        return isinstance(self.eyes, NormEyes)

    def look(self, pixels: np.ndarray) -> list[Looked]:
        """Of each of the prepared pixels (N, H, W, C). Raises TbftError for answers that are no numbers."""
        answers, numbers = self.eyes.look(pixels)
        each = each_answer(answers, self.classes, self.unknown_above)
        labels = answers.logits.argmax(axis=1)
        return [Looked(answer, int(label), row) for answer, label, row in zip(each, labels, numbers, strict=True)]


def serve(model: Path, threads: int | None) -> Served:
    """Load the model of a bundle, or of a run's best state. Raises TbftError if it cannot be."""
    count = checked_threads(threads)
    if RunFolder(model).is_run:
        with open_trained(model) as (bundle, run, state):
            plan = bundle.plan(run.settings.plan)
            if plan.exits:
                return _by_pixels(Predictor.open(model, count))
            return _served(bundle, merged(plan, load_weights(bundle), state.best), state.best, model, count)
    with opened(model) as bundle:
        return _served(bundle, load_weights(bundle), (), model, count)


def _served(bundle: Bundle, weights: Tensors, trained: Sequence[str] | Tensors, model: Path, threads: int) -> Served:
    if not _knows_its_source(bundle):
        return _by_pixels(Predictor.open(model, threads))
    reader = ChannelReader.load(bundle, weights, threads)
    classes = tuple(bundle.manifest.classes)
    # Of other weights norms see other things: what is normal to them is learned from the images they were made for.
    own = not trained and not bundle.changed
    return Served(
        NormEyes(reader),
        classes,
        unknown_above(bundle, weights, trained),
        Normal.of_source(reader.source(), len(classes)) if own else None,
        reader.covariance,
    )


def _by_pixels(predictor: Predictor) -> Served:
    above = predictor.unknown_above
    return Served(PixelEyes(predictor), predictor.classes, above, None, None)


def _knows_its_source(bundle: Bundle) -> bool:
    source = bundle.manifest.source or None
    return source is not None and source.norm is not None and (bundle.manifest.head or None) is not None


def check_model(model: Path, threads: int | None) -> str | None:
    """Why a model cannot answer; None if it can."""
    try:
        serve(model, threads)
    except TbftError as error:
        return error.message
    return None
