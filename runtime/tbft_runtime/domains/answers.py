"""What a bank answers to pictures in files, and how often it is right."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.preprocessing import Noun
from tbft_artifacts.words import printable
from tbft_runtime.data.items import check_skipped, skipped_note
from tbft_runtime.data.signals import is_npz
from tbft_runtime.data.sources import open_source
from tbft_runtime.domains.bank import Bank, checked_window
from tbft_runtime.inference.batches import pixels_of, so_many
from tbft_runtime.inference.evaluation import accuracy_per_class, evaluated
from tbft_runtime.inference.pictures import each_path
from tbft_runtime.inference.prediction import Pictures, Prediction
from tbft_runtime.progress import Progress
from tbft_runtime.tally import Tally


class DomainAnswers(msgspec.Struct, frozen=True):
    """How many labelled images a domain answered, and how often it was right (0 to 1)."""

    name: str
    images: int
    accuracy: float


class BankEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy and mean cross-entropy over the labelled images, of each class, and of each domain that answered any.

    `unfit`: how many of them were in windows that fit no domain.
    """

    accuracy: float
    loss: float
    images: int
    skipped_images: tuple[str, ...]
    accuracy_per_class: dict[str, float]
    domains: tuple[DomainAnswers, ...]
    unfit: int
    input_kind: Noun = "image"


def answered_by_domain(
    bank: Bank,
    inputs: Iterable[str | os.PathLike[str]],
    window: int,
    on_skipped: Callable[[str, str], None],
) -> Iterator[Prediction]:
    """As `inference.prediction.answered`, window by window in the order in which `inputs` name images.

    A folder and an `.npz` begin a window of their own; pictures that are named one by one share windows. Raises
    TbftError as that does.
    """
    pictures = Pictures(bank.reader.preprocessing, bank.classes, on_skipped)
    checked_window(window)
    for items in (some for paths in _groups(inputs) for some in so_many(pictures.of(paths), window)):
        found = bank.answer(pixels_of(items))
        for item, answer in zip(items, found.each(bank.classes), strict=True):
            sure = float(answer.probabilities.max())
            yield Prediction(item.name, answer.label, sure, answer.exit, answer.unknown, found.domain, found.fits)
    if pictures.unreadable:
        raise pictures.unreadable[0]


def _groups(inputs: Iterable[str | os.PathLike[str]]) -> Iterator[list[Path]]:
    """Folders and files of many images by themselves, and what stands between them together."""
    single: list[Path] = []
    for path in each_path(inputs):
        if not path.is_dir() and not is_npz(path):
            single.append(path)
            continue
        if single:
            yield single
        single = []
        yield [path]
    if single:
        yield single


def evaluate_bank(bank: Bank, data: Path, window: int, progress: Progress) -> BankEvaluation:
    """How often `bank` is right on labelled images, in windows in the order in which they come.

    Raises TbftError if images do not fit the network, or none has a label.
    """
    preprocessing, noun = bank.reader.preprocessing, bank.reader.preprocessing.noun
    source = open_source(data, bank.classes, preprocessing)
    tally, by_domain, unfit = Tally(), {name: Tally() for name in bank.domains}, 0
    skipped: list[tuple[str, str]] = []
    progress.begin("evaluating", len(source))
    for items in so_many(source.items(), checked_window(window)):
        skipped += [(printable(item.name), printable(item.problem)) for item in items if item.pixels is None]
        check_skipped(len(skipped), skipped[-1][1] if skipped else "")
        readable = [item for item in items if item.pixels is not None]
        labels = np.array([item.label for item in readable], np.int64)
        known = labels != NO_LABEL
        if known.any():
            # Others tell the domain as well.
            found = bank.answer(pixels_of(readable))
            for each in (tally, by_domain[found.domain]):
                each.add(found.answers.logits[known], labels[known])
            unfit += 0 if found.fits else int(known.sum())
        progress.advance(len(items))
    if skipped:
        progress.note(skipped_note(skipped, noun))
    result = evaluated(tally, data, noun)
    shares = {name: each.evaluation() for name, each in by_domain.items()}
    return BankEvaluation(
        accuracy=result.accuracy,
        loss=result.loss,
        images=result.images,
        skipped_images=tuple(name for name, _ in skipped),
        accuracy_per_class=accuracy_per_class(tally, bank.classes),
        domains=tuple(
            DomainAnswers(name, found.images, found.accuracy) for name, found in shares.items() if found is not None
        ),
        unfit=unfit,
        input_kind=noun,
    )
