"""Measure how often a model is right."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.preprocessing import Noun
from tbft_artifacts.words import printable
from tbft_runtime.board.access import THIS_BOARD, Board
from tbft_runtime.board.state import BoardSummary
from tbft_runtime.data.items import check_skipped, skipped_note
from tbft_runtime.data.sources import open_source
from tbft_runtime.energy.metering import Metering
from tbft_runtime.exits.record import EarlyAnswers, early_answers
from tbft_runtime.exits.staged import StagedModel
from tbft_runtime.graphs.sessions import checked_threads
from tbft_runtime.inference.answering import ImageSample, SingleAnswers, single_answers
from tbft_runtime.inference.batches import in_batches, pixels_of
from tbft_runtime.inference.model import open_model, open_whole
from tbft_runtime.meters.meter import NO_METER
from tbft_runtime.meters.registry import choose
from tbft_runtime.progress import Progress, Silent
from tbft_runtime.run.epoch import Evaluation
from tbft_runtime.tally import Tally, per_class


class EvaluationResult(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy and mean cross-entropy over the labelled images; per class, how many are right.

    `images_per_second` counts the forward pass of batches only; `board` is how the board was meanwhile. Of a run with
    several exits, accuracies and loss are those of the answers it gives, and `exits` says which exit gave them.
    `single` is what answering takes one image at a time: of such a run, and where a meter was asked for. `input_kind`
    is what one of them is called.
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
    input_kind: Noun = "image"


def evaluate(
    model_path: str | os.PathLike[str],
    data: str | os.PathLike[str],
    threads: int | None = None,
    progress: Progress | None = None,
    meter: str = NO_METER,
    board: Board = THIS_BOARD,
    expect_id: str | None = None,
) -> EvaluationResult:
    """Measure a bundle, a run's best state or a finalized model on labelled images.

    Args:
        model_path: A bundle (a folder or `.tar.gz`), a run folder (its best state), or a finalized `.onnx` file.
        data: A folder with a folder per class, or an `.npz` file with `images` (N, H, W, 3) uint8 and `labels` (N,);
            of signals an `.npz` file with `windows` (N, C, L), or tables or recordings as the bundle says.
        threads: How many threads compute; None: as many as there are cores.
        progress: Hears how many images were answered; None: nobody does.
        meter: Where joules come from: "auto", "none", or a meter of the registry.
        board: Where sensors, clocks and temperatures are read; tests give another.
        expect_id: The id, all 64 digits, of the bundle, or of the one that the run began with; None: whichever.

    Returns:
        Accuracy (0 to 1), also of each class, mean cross-entropy (nats) of the labelled images, and images per second.

    Raises:
        TbftError: There is no such model, images do not fit it, or none has a label.

    Example:
        >>> from tbft_runtime import evaluate
        >>> result = evaluate("run", "photos")
        >>> print(f"{result.accuracy:.0%} of {result.images} images")
        100% of 48 images
    """
    model_path, data = Path(model_path), Path(data)
    progress = progress or Silent()
    threads = checked_threads(threads)
    choice = choose(meter, board)
    model = open_model(model_path, threads, expect_id)
    source = open_source(data, model.classes, model.preprocessing)
    noun = model.preprocessing.noun
    tally, every, seconds = Tally(), Tally(), 0.0
    skipped: list[tuple[str, str]] = []
    sample = ImageSample.of(len(source)) if isinstance(model, StagedModel) or choice.meter is not None else None
    with Metering(board, choice.meter, on_vitals=progress.vitals) as metering:
        metering.measure_idle(progress.note)
        progress.begin("evaluating", len(source))
        for batch in in_batches(source.items(), model.preprocessing.shape):
            skipped += [(printable(item.name), printable(item.problem)) for item in batch if item.pixels is None]
            check_skipped(len(skipped), skipped[-1][1] if skipped else "")
            known = [item for item in batch if item.pixels is not None and item.label != NO_LABEL]
            if known:
                pixels, labels = pixels_of(known), np.array([item.label for item in known])
                started = time.perf_counter()
                answers = model.answers(pixels)
                seconds += time.perf_counter() - started
                tally.add(answers.logits, labels)
                if isinstance(model, StagedModel):
                    every.add(model.every_exit(pixels), labels)
                if sample is not None:
                    sample.add(pixels)
            progress.advance(len(batch))
        if skipped:
            progress.note(skipped_note(skipped, noun))
        result = evaluated(tally, data, noun)
        single = None
        if sample is not None:
            progress.begin(f"answering one {noun} at a time", 0)
            whole = open_whole(model_path, threads, expect_id) if isinstance(model, StagedModel) else model
            single = single_answers(whole, model, sample.pixels, threads, metering, choice.why)
        state_of_board = metering.summary().board
    answered = every.exit_answers()
    return EvaluationResult(
        accuracy=result.accuracy,
        loss=result.loss,
        images=result.images,
        skipped_images=tuple(name for name, _ in skipped),
        accuracy_per_class=accuracy_per_class(tally, model.classes),
        images_per_second=result.images / seconds,
        board=state_of_board,
        exits=early_answers(model.exits, answered, model.threshold)
        if isinstance(model, StagedModel) and answered
        else None,
        single=single,
        input_kind=noun,
    )


def evaluated(tally: Tally, data: Path, noun: Noun) -> Evaluation:
    """What was counted of the images of `data`. Raises TbftError if none had a label."""
    result = tally.evaluation()
    if result is None:
        raise TbftError(f"no readable {noun} in '{data}' has a label", f"evaluation needs labelled {noun}s")
    return result


def accuracy_per_class(tally: Tally, classes: Sequence[str]) -> dict[str, float]:
    """How many images (0 to 1) of each class that had any were answered rightly."""
    return {classes[index]: right / images for index, (images, right) in per_class(tally.confusion()).items()}
