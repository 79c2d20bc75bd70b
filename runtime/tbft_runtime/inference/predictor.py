"""A model that is loaded once, and says of any images how likely each class is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tbft_runtime.exits.staged import Answers, StagedModel
from tbft_runtime.graphs.sessions import checked_threads
from tbft_runtime.heads.unknown import unknown_score
from tbft_runtime.inference.batches import in_batches
from tbft_runtime.inference.model import Model, open_model
from tbft_runtime.inference.pictures import prepared
from tbft_runtime.softmax import softmax


@dataclass(frozen=True)
class Predictions:
    """What a model answers to N images, in their order."""

    # (N, classes) float32: softmax probabilities, which add up to 1 for each image; classes as in `Predictor.classes`.
    probabilities: np.ndarray
    # The likeliest class of each image.
    labels: tuple[str, ...]
    # The exit that answered each image; None where the model has but one.
    exits: tuple[str | None, ...]
    # Whether each image is of no class; None where nothing tells.
    unknown: tuple[bool | None, ...]
    # Of a bank the domain that answered each image, and whether its window fits any of them.
    domains: tuple[str, ...] = ()
    fits: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The answer to one image; `probabilities` (classes,) in double, the rest as in `Predictions`."""

    label: str
    probabilities: np.ndarray
    exit: str | None
    unknown: bool | None


@dataclass(frozen=True)
class Predictor:
    """A loaded classifier, for programs that classify image after image.

    Nothing changes in it, so that several threads may ask the same one. `predict` is the way through folders and
    `.npz` files, which it reads image by image.
    """

    # What answers; made by `open`.
    model: Model | StagedModel

    @classmethod
    def open(cls, path: str | os.PathLike[str], threads: int | None = None, expect_id: str | None = None) -> Predictor:
        """Load the model at `path`.

        Args:
            path: A bundle (a folder or `.tar.gz`), a run folder (its best state), or a finalized `.onnx` file.
            threads: How many threads compute; None: as many as there are cores.
            expect_id: The id, all 64 digits, of the bundle, or of the one that the run began with; None: whichever. A
                finalized file has none that could be verified, and is refused.

        Returns:
            The model in memory; the files are not read again.

        Raises:
            TbftError: There is no such model, or it is damaged.

        Example:
            >>> from tbft_runtime import Predictor
            >>> Predictor.open("model.onnx", threads=1).classes
            ('ant', 'bee', 'cat', 'dog')
        """
        return cls(open_model(Path(path), checked_threads(threads), expect_id))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return tuple(self.model.classes)

    def predict(self, images: np.ndarray | Iterable[str | os.PathLike[str]]) -> Predictions:
        """How likely each class is, for each image.

        Args:
            images: Paths of JPEG and PNG files, or pixels (N, H, W, 3) uint8, RGB, of any size; both are prepared as
                the images that the model was trained on. OpenCV's frames are BGR: give `frames[..., ::-1]`. Of
                signals paths of `.npz`, `.csv` and `.wav` files, or values (N, C, L) or (N, C, H, W) as the sensor
                gives them, float32 or int16.

        Returns:
            Probabilities (N, classes), labels, which exit answered (in a run with several, the first one that is sure
            enough), and whether an image is of no class, where the bundle was exported with source images.

        Raises:
            TbftError: There is no image, a file cannot be read, or an array is none of RGB bytes, or of such values.

        Example:
            >>> import numpy as np
            >>> from tbft_runtime import Predictor
            >>> predictor = Predictor.open("run")
            >>> frames = np.zeros((2, 48, 64, 3), np.uint8)  # as a camera gives them
            >>> predictor.predict(frames).probabilities.shape
            (2, 4)
            >>> predictor.predict(["photo.png"]).labels
            ('bee',)
        """
        found = [
            answer
            for batch in in_batches(prepared(images, self.model.preprocessing), self.model.preprocessing.shape)
            for answer in self.answers(np.stack(batch))
        ]
        return Predictions(
            np.array([answer.probabilities for answer in found], np.float32),
            tuple(answer.label for answer in found),
            tuple(answer.exit for answer in found),
            tuple(answer.unknown for answer in found),
        )

    @property
    def tells_unknown(self) -> bool:
        """Whether it can say that an image is of no class: the bundle was exported with source images."""
        return self.unknown_above is not None

    @property
    def unknown_above(self) -> float | None:
        """The score (`heads.unknown`) above which an image is of no class; None where nothing tells."""
        return self.model.unknown_above if isinstance(self.model, Model) else None

    def answers(self, pixels: np.ndarray) -> Iterator[Answer]:
        """The answer to each image of prepared pixels (N, H, W, C) uint8."""
        return each_answer(self.model.answers(pixels), self.model.classes, self.unknown_above)


def each_answer(answers: Answers, classes: Sequence[str], unknown_above: float | None) -> Iterator[Answer]:
    """The same, of what a model made of them; `unknown_above` as of the model."""
    scores = unknown_score(answers.logits)
    for row, found, score in zip(softmax(answers.logits), answers.exits, scores, strict=True):
        unknown = None if unknown_above is None else bool(score > unknown_above)
        yield Answer(classes[int(row.argmax())], row, found, unknown)
