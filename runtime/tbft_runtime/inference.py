"""Use a model: predict labels, or measure how often they are right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import NO_LABEL
from tbft_runtime.answering import Sample, SingleAnswers, single_answers
from tbft_runtime.board.access import THIS_BOARD, Board
from tbft_runtime.board.state import BoardSummary
from tbft_runtime.data.sources import PICTURE_SUFFIXES, Item, open_source, read_picture
from tbft_runtime.energy.metering import Metering
from tbft_runtime.evaluation import Tally, per_class, softmax
from tbft_runtime.exits.record import EarlyAnswers, early_answers
from tbft_runtime.exits.staged import StagedModel
from tbft_runtime.meters.meter import NO_METER
from tbft_runtime.meters.registry import choose
from tbft_runtime.model import Model, open_model
from tbft_runtime.progress import Progress, Silent
from tbft_runtime.sessions import default_threads

BATCH = 32


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """The likeliest class of one image, its probability, and where there are several, the exit that answered."""

    image: str
    label: str
    probability: float
    exit: str | None = None


class EvaluationResult(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy and mean cross-entropy over the labelled images; per class, how many are right.

    `images_per_second` counts the forward pass of batches only; `board` is how the board was meanwhile. Of a run with
    several exits, accuracies and loss are those of the answers it gives, and `exits` says which exit gave them.
    `single` is what answering takes one image at a time: of such a run, and where a meter was asked for.
    """

    accuracy: float
    loss: float
    images: int
    skipped_images: tuple[str, ...]
    accuracy_per_class: dict[str, float]
    images_per_second: float
    board: BoardSummary
    exits: EarlyAnswers | None = None
    single: SingleAnswers | None = None


def evaluate(
    model_path: Path,
    data: Path,
    threads: int | None = None,
    progress: Progress | None = None,
    meter: str = NO_METER,
    board: Board = THIS_BOARD,
) -> EvaluationResult:
    """Measure a bundle, a run's best state or a finalized model on labelled images.

    `meter` names where joules come from, as for training. Raises TbftError if no image has a label.
    """
    progress = progress or Silent()
    threads = threads or default_threads()
    choice = choose(meter, board)
    model = open_model(model_path, threads)
    source = open_source(data, model.classes, model.preprocessing)
    tally, every, skipped, seconds = Tally(), Tally(), [], 0.0
    sample = Sample.of(len(source)) if isinstance(model, StagedModel) or choice.meter is not None else None
    with Metering(board, choice.meter, on_vitals=progress.vitals) as metering:
        metering.measure_idle(progress.note)
        progress.begin("evaluating", len(source))
        for batch in _batches(source.items()):
            skipped += [item.name for item in batch if item.pixels is None]
            known = [item for item in batch if item.pixels is not None and item.label != NO_LABEL]
            if known:
                pixels, labels = _pixels(known), np.array([item.label for item in known])
                started = time.perf_counter()
                answers = model.answers(pixels)
                seconds += time.perf_counter() - started
                tally.add(answers.logits, labels)
                if isinstance(model, StagedModel):
                    every.add(model.every_exit(pixels), labels)
                if sample is not None:
                    sample.add(pixels)
            progress.advance(len(batch))
        result = tally.evaluation()
        if result is None:
            raise TbftError(f"no readable image in '{data}' has a label", "evaluation needs labelled images")
        single = None
        if sample is not None:
            progress.begin("answering one image at a time", 0)
            single = single_answers(model, model_path, sample.pixels, threads, metering, choice.why)
        state_of_board = metering.summary().board
    answered = every.exit_answers()
    return EvaluationResult(
        accuracy=result.accuracy,
        loss=result.loss,
        images=result.images,
        skipped_images=tuple(skipped),
        accuracy_per_class={
            model.classes[index]: right / images for index, (images, right) in per_class(tally.confusion()).items()
        },
        images_per_second=result.images / seconds,
        board=state_of_board,
        exits=early_answers(model.exits, answered, model.threshold)
        if isinstance(model, StagedModel) and answered
        else None,
        single=single,
    )


def predict(
    model_path: Path,
    inputs: Iterable[Path],
    threads: int | None = None,
    on_skipped: Callable[[str], None] = lambda _: None,
) -> Iterator[Prediction]:
    """The likeliest class of each picture; folders and `.npz` files give all their images.

    A run with several exits answers at the first one that is sure enough.
    Pictures of a folder that cannot be read are skipped, and `on_skipped` gets their names. Raises
    TbftError for a picture that was named itself.
    """
    model = open_model(model_path, threads or default_threads())
    for batch in _batches(_pictures(model, inputs, on_skipped)):
        answers = model.answers(_pixels(batch))
        for item, row, found in zip(batch, softmax(answers.logits), answers.exits, strict=True):
            best = int(row.argmax())
            yield Prediction(item.name, model.classes[best], float(row[best]), found)


def _pictures(model: Model | StagedModel, inputs: Iterable[Path], on_skipped: Callable[[str], None]) -> Iterator[Item]:
    for path in inputs:
        if not path.exists():
            raise TbftError(f"'{path}' does not exist", "name a picture, a folder of pictures or an .npz file")
        if path.suffix == ".npz":
            yield from open_source(path, model.classes, model.preprocessing).items()
            continue
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in PICTURE_SUFFIXES)
        if path.is_dir() and not files:
            raise TbftError(f"no images in '{path}'", "JPEG and PNG files are read")
        for file in files if path.is_dir() else [path]:
            pixels = read_picture(file, model.preprocessing)
            if pixels is None and path.is_dir():
                on_skipped(str(file))
                continue
            if pixels is None:
                raise TbftError(f"'{file}' cannot be read as a JPEG or PNG picture", "leave it out")
            yield Item(str(file), NO_LABEL, pixels)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _pixels(items: list[Item]) -> np.ndarray:
    return np.stack([item.pixels for item in items if item.pixels is not None])
