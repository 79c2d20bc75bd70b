"""The images of a run: which train, which validate."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.names import NO_LABEL
from tbft_artifacts.plan import Plan
from tbft_artifacts.preprocessing import Noun
from tbft_artifacts.stored_paths import from_stored
from tbft_runtime.data.augmenting import augmented
from tbft_runtime.data.draw import drawn, in_batches, shuffled, stratified_split
from tbft_runtime.data.items import ImageSource, skipped_note
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.data.sources import open_source
from tbft_runtime.data.store import ImageStore, open_store
from tbft_runtime.progress import Progress
from tbft_runtime.run.options import Augmentation
from tbft_runtime.run.settings import Settings
from tbft_runtime.timing import Stopwatch


@dataclass(frozen=True)
class Part:
    """Some images of a store, by index, ascending.

    Images that train or validate are numbered through; `first` is the number of the first one here.
    """

    store: ImageStore
    indices: np.ndarray
    preprocessing: Preprocessing
    first: int = 0

    def __len__(self) -> int:
        return len(self.indices)

    def images(self, indices: np.ndarray) -> np.ndarray:
        """The model's input (n, C, H, W) float32 for store indices (n,)."""
        return self.preprocessing.normalize(self.store.pixels.read(indices))

    def augmented(self, indices: np.ndarray, kinds: Collection[Augmentation], seed: tuple[int, int]) -> np.ndarray:
        """The same of images that are changed as `seed`, the run's and the epoch's, decides for each of them."""
        pixels = self.store.pixels.read(indices)
        if kinds:
            pixels = augmented(pixels, kinds, [(*seed, index) for index in indices.tolist()])
        return self.preprocessing.normalize(pixels)

    def labels(self, indices: np.ndarray) -> np.ndarray:
        """(n,) int64."""
        labels: np.ndarray = self.store.labels[indices]
        return labels

    def numbers(self, indices: np.ndarray) -> np.ndarray:
        """(n,) numbers of the images at store indices (n,)."""
        return np.searchsorted(self.indices, indices) + self.first

    def shuffled(self, batch_size: int, seed: tuple[int, int]) -> list[np.ndarray]:
        """Batches of store indices in an order that `seed` decides alone; the last may be short."""
        return shuffled(self.indices, batch_size, seed)

    def in_order(self, batch_size: int) -> Iterator[np.ndarray]:
        """Batches of store indices, in order."""
        yield from in_batches(self.indices, batch_size)


@dataclass(frozen=True)
class TrainingData:
    """`validation` has labels, and `train`, unless the plan trains on others, too.

    `everything` is all training images, labelled or not.
    """

    train: Part
    validation: Part
    everything: Part
    skipped: tuple[str, ...]
    fingerprint: str
    reading: int = 0
    """What an image took at most, in bytes, while it was prepared; 0 if all were prepared before."""

    @property
    def images(self) -> int:
        """How many train or validate."""
        return len(self.train) + len(self.validation)

    @property
    def unlabelled(self) -> int:
        """How many images have no label."""
        return len(self.everything.store.labels) - len(self.everything.store.labelled)


@dataclass(frozen=True)
class Sources:
    """Where the images of a run come from, looked at but not read; `validation` None: a part of `train` is held out."""

    train: ImageSource
    validation: ImageSource | None
    preprocessing: Preprocessing


def open_sources(bundle: Bundle, settings: Settings, memory_budget: int | None = None) -> Sources:
    """Find the run's images, which are read within `memory_budget` bytes.

    Raises TbftError if there are none, or they do not fit the bundle.
    """
    manifest = bundle.manifest
    preprocessing = Preprocessing(manifest.preprocessing, manifest.shape)

    def source(path: str, *, takes_loose: bool = False) -> ImageSource:
        return open_source(from_stored(path), manifest.classes, preprocessing, memory_budget, takes_loose=takes_loose)

    validation = None if settings.validation is None else source(settings.validation)
    return Sources(source(settings.data, takes_loose=settings.labels == "none"), validation, preprocessing)


def open_data(
    plan: Plan,
    settings: Settings,
    sources: Sources,
    cache: Path,
    progress: Progress,
    stopwatch: Stopwatch,
) -> TrainingData:
    """Prepare the run's images; those without a label train too where plan or settings say so, and never validate.

    Raises TbftError if there are none, or labels are needed and there are none.
    """
    preprocessing, source = sources.preprocessing, sources.train
    noun = preprocessing.noun
    store = _prepare(source, preprocessing, cache, "train", progress, stopwatch)
    fingerprint, reading = source.fingerprint(), store.reading
    labelled = store.labelled
    alone = settings.labels == "none"
    if settings.epochs and not labelled.size and not alone and not (plan.unlabelled and sources.validation):
        raise TbftError(
            f"no {noun} in '{from_stored(settings.data)}' has a label",
            "label some, or validate on others that have one, with `validation`"
            if plan.unlabelled
            else "label some, or re-estimate batch-norm statistics only: `batch_norm` adapt `epochs` 0",
        )
    unlabelled = np.flatnonzero(store.labels == NO_LABEL) if plan.unlabelled or alone else labelled[:0]
    if sources.validation is None:
        held_out = _held_out(store, settings, noun)
        used = np.union1d(np.setdiff1d(labelled, held_out), unlabelled)
        validation = Part(store, held_out, preprocessing, len(used))
        everything = np.setdiff1d(np.arange(len(store.labels)), held_out)
        skipped = store.skipped
    else:
        held_out_store = _prepare(sources.validation, preprocessing, cache, "validation", progress, stopwatch)
        used = np.union1d(labelled, unlabelled)
        checking = held_out_store.labelled
        if settings.check_labels is not None:
            checking = _checking(held_out_store, settings, noun)
        validation = Part(held_out_store, checking, preprocessing, len(used))
        everything = np.arange(len(store.labels))
        skipped = store.skipped + held_out_store.skipped
        fingerprint += sources.validation.fingerprint()
        reading = max(reading, held_out_store.reading)
    if settings.epochs and not (len(used) and (alone or len(validation))):
        raise TbftError(
            f"{len(used)} {noun}s to train on and {len(validation)} to validate on are too few",
            f"give at least two labelled {noun}s per class, or validation data with `validation`",
        )
    return TrainingData(
        train=Part(store, used, preprocessing),
        validation=validation,
        everything=Part(store, everything, preprocessing),
        skipped=skipped,
        fingerprint=fingerprint,
        reading=reading,
    )


def open_whole(sources: Sources, cache: Path, progress: Progress, stopwatch: Stopwatch) -> TrainingData:
    """The run's images, none of which is held out: all that have a label train, and only other ones validate."""
    preprocessing, source = sources.preprocessing, sources.train
    store = _prepare(source, preprocessing, cache, "train", progress, stopwatch)
    fingerprint, reading, skipped = source.fingerprint(), store.reading, store.skipped
    others = store
    if sources.validation is not None:
        others = _prepare(sources.validation, preprocessing, cache, "validation", progress, stopwatch)
        fingerprint += sources.validation.fingerprint()
        reading, skipped = max(reading, others.reading), skipped + others.skipped
    held_out = others.labelled if others is not store else store.labelled[:0]
    return TrainingData(
        train=Part(store, store.labelled, preprocessing),
        validation=Part(others, held_out, preprocessing, len(store.labelled)),
        everything=Part(store, np.arange(len(store.labels)), preprocessing),
        skipped=skipped,
        fingerprint=fingerprint,
        reading=reading,
    )


def _held_out(store: ImageStore, settings: Settings, noun: Noun) -> np.ndarray:
    """Store indices of the labelled images that are not trained on, ascending."""
    if settings.check_labels is not None:
        return _checking(store, settings, noun)
    _, held_out = stratified_split(store.labels[store.labelled], settings.val_fraction, settings.seed)
    found: np.ndarray = store.labelled[held_out]
    return found


def _checking(store: ImageStore, settings: Settings, noun: Noun) -> np.ndarray:
    """Store indices of those labelled images that decide what is kept, ascending.

    Raises TbftError if there are not as many.
    """
    asked, labelled = settings.check_labels or 0, store.labelled
    if len(labelled) < asked:
        place = settings.data if settings.validation is None else settings.validation
        raise TbftError(
            f"`check_labels` {asked} asks for more labelled {noun}s than '{from_stored(place)}' has: {len(labelled)}",
            "label more, or ask for fewer",
        )
    return np.sort(labelled[drawn(store.labels[labelled], asked, settings.seed)])


def _prepare(
    source: ImageSource,
    preprocessing: Preprocessing,
    cache: Path,
    name: str,
    progress: Progress,
    stopwatch: Stopwatch,
) -> ImageStore:
    progress.begin(f"preparing {name} {preprocessing.noun}s", len(source))
    shape = preprocessing.row_shape
    store = open_store(source, shape, cache, name, lambda: progress.advance(1), stopwatch, progress.note)
    if store.skipped:
        progress.note(skipped_note(store.skipped_with_reasons, preprocessing.noun))
    return store
