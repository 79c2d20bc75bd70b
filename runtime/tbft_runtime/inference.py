"""Use a model: predict labels, or measure how often they are right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import NO_LABEL
from tbft_runtime.board.access import THIS_BOARD
from tbft_runtime.board.state import BoardSummary
from tbft_runtime.board.watch import BoardWatch
from tbft_runtime.data.sources import PICTURE_SUFFIXES, Item, open_source, read_picture
from tbft_runtime.evaluation import Tally, per_class, softmax
from tbft_runtime.model import Model, open_model
from tbft_runtime.progress import Progress, Silent
from tbft_runtime.sessions import default_threads

BATCH = 32


class Prediction(msgspec.Struct, frozen=True):
    """The likeliest class of one image, and its probability."""

    image: str
    label: str
    probability: float


class EvaluationResult(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy and mean cross-entropy over the labelled images; per class, how many are right.

    `images_per_second` counts the forward pass only; `board` is how the board was meanwhile.
    """

    accuracy: float
    loss: float
    images: int
    skipped_images: tuple[str, ...]
    accuracy_per_class: dict[str, float]
    images_per_second: float
    board: BoardSummary


def evaluate(
    model_path: Path, data: Path, threads: int | None = None, progress: Progress | None = None
) -> EvaluationResult:
    """Measure a bundle, a run's best state or a finalized model on labelled images.

    Raises TbftError if no image has a label.
    """
    progress = progress or Silent()
    model = open_model(model_path, threads or default_threads())
    source = open_source(data, model.classes, model.preprocessing)
    progress.begin("evaluating", len(source))
    tally, skipped, seconds = Tally(), [], 0.0
    watch = BoardWatch(THIS_BOARD)
    for batch in _batches(source.items()):
        skipped += [item.name for item in batch if item.pixels is None]
        known = [item for item in batch if item.pixels is not None and item.label != NO_LABEL]
        if known:
            started = time.perf_counter()
            logits = model.logits(_pixels(known))
            seconds += time.perf_counter() - started
            labels = np.array([item.label for item in known])
            tally.add(logits, labels)
        progress.advance(len(batch))
    result = tally.evaluation()
    if result is None:
        raise TbftError(f"no readable image in '{data}' has a label", "evaluation needs labelled images")
    return EvaluationResult(
        accuracy=result.accuracy,
        loss=result.loss,
        images=result.images,
        skipped_images=tuple(skipped),
        accuracy_per_class={
            model.classes[index]: right / images for index, (images, right) in per_class(tally.confusion()).items()
        },
        images_per_second=result.images / seconds,
        board=watch.summary(),
    )


def predict(
    model_path: Path,
    inputs: Iterable[Path],
    threads: int | None = None,
    on_skipped: Callable[[str], None] = lambda _: None,
) -> Iterator[Prediction]:
    """The likeliest class of each picture; folders and `.npz` files give all their images.

    Pictures of a folder that cannot be read are skipped, and `on_skipped` gets their names. Raises
    TbftError for a picture that was named itself.
    """
    model = open_model(model_path, threads or default_threads())
    for batch in _batches(_pictures(model, inputs, on_skipped)):
        probabilities = softmax(model.logits(_pixels(batch)))
        for item, row in zip(batch, probabilities, strict=True):
            best = int(row.argmax())
            yield Prediction(item.name, model.classes[best], float(row[best]))


def _pictures(model: Model, inputs: Iterable[Path], on_skipped: Callable[[str], None]) -> Iterator[Item]:
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
