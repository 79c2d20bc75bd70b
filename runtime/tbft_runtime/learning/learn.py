"""Give a network another last layer from a few labelled images, in one pass: `learn`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_artifacts.source import LinearHead
from tbft_artifacts.stored_paths import stored as stored_path
from tbft_artifacts.words import printable
from tbft_runtime.beginning.going_on import going_on
from tbft_runtime.beginning.opened import open_for_run
from tbft_runtime.board.access import THIS_BOARD, Board
from tbft_runtime.boundary.activations import cache_result
from tbft_runtime.data.dataset import TrainingData, open_sources, open_whole
from tbft_runtime.energy.metering import Metering
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.heads.head import Head
from tbft_runtime.heads.head_plan import head_plan
from tbft_runtime.heads.judge import told
from tbft_runtime.heads.learn import LearnedHead, learn_head
from tbft_runtime.heads.record import learned_record
from tbft_runtime.heads.source_domain import SourceDomain, load_source
from tbft_runtime.heads.stored import head_of, tensors_of
from tbft_runtime.learning.features import FeatureReader
from tbft_runtime.learning.growth import with_new_classes
from tbft_runtime.learning.moments_file import keep_moments, moments_of
from tbft_runtime.meters.meter import AUTOMATIC
from tbft_runtime.meters.registry import choose
from tbft_runtime.progress import Outline, Progress, Silent
from tbft_runtime.reporting.build import build_report, write_report
from tbft_runtime.reporting.result import TrainResult, train_result
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.learned_record import Learned
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState
from tbft_runtime.tally import Tally, per_class
from tbft_runtime.timing import Stopwatch
from tbft_runtime.training.accounts import Accounts
from tbft_runtime.training.memory import plan_memory
from tbft_runtime.training.step import initial_state


@dataclass(frozen=True)
class LearnOptions:
    """What a head is learned from."""

    data: str | Path
    """Labelled images: an .npz file, or a folder with a folder of pictures per class."""
    out: str | Path
    """Folder of the run."""
    add_classes: tuple[str, ...] = ()
    """Classes that the network does not have, behind its own; `data` has images of each."""
    validation: str | Path | None = None
    """Images to measure accuracy on; None: each image is answered by a head that was made without it."""
    base: str | Path | None = None
    """An earlier run of the bundle whose weights and classes it goes on from; None: the bundle's own."""
    threads: int | None = None
    """How many compute; None: one for each core that the process may use."""
    meter: str = AUTOMATIC
    """Where joules come from: "auto", "none", or a meter of the registry."""
    expect_id: str | None = None
    """The id that the bundle must have, all 64 digits; None: whichever it has."""

    @property
    def as_training(self) -> TrainOptions:
        """What the beginning of a run reads of it."""
        return TrainOptions(
            data=self.data,
            out=self.out,
            validation=self.validation,
            base=self.base,
            threads=self.threads,
            meter=self.meter,
            cache="off",
            expect_id=self.expect_id,
        )


def learn(
    bundle: str | os.PathLike[str],
    options: LearnOptions,
    progress: Progress | None = None,
    board: Board = THIS_BOARD,
) -> TrainResult:
    """Make a last layer in closed form, and keep it as a run in the folder `options.out`.

    Every image goes through the network once. Of the heads that can be made of its features (class means, ridge
    regression, rows of the old head under new names, and where the bundle knows its source domain, discriminants) the
    one is taken that is right most often on images it was made without.

    Args:
        bundle: A folder or `.tar.gz` that `export` wrote, with a plan for drift "output".
        options: Images, classes that are new, and the folder of the run.
        progress: Hears how far it is; None: nobody does.
        board: Where sensors, clocks and temperatures are read; tests give another.

    Returns:
        What `train` returns, of a run without epochs: `learned` has the head, accuracies by images left out, and what
        became of the classes that the network had before.

    Raises:
        TbftError: Bundle, images or classes do not fit, there is a run in the folder already, or the disk is full.

    Example:
        >>> from tbft_runtime import LearnOptions, learn
        >>> result = learn("bundle", LearnOptions(data="photos", out="learned"))
        >>> result.blocks
        ('fc',)
    """
    folder = RunFolder(Path(options.out))
    progress = progress or Silent()
    with folder.taken(progress.note):
        return _learn(Path(bundle), options, folder, progress, board)


def _learn(path: Path, options: LearnOptions, folder: RunFolder, progress: Progress, board: Board) -> TrainResult:
    if folder.has_epochs:
        raise TbftError(f"'{folder.path}' holds a run already", "choose another `out`; go on from this one with `base`")
    meter = choose(options.meter, board)
    asked, stopwatch = options.as_training, Stopwatch()
    verified = open_for_run(path, folder, None, options.expect_id, progress)
    with Metering(board, meter.meter, on_vitals=progress.vitals) as metering:
        before, base = going_on(verified, asked, folder, None, progress)
        bundle, base = with_new_classes(before, base, options.add_classes, folder)
        plan, named = head_plan(bundle)
        trained = resolve(asked, plan, bundle)
        settings = msgspec.structs.replace(trained, epochs=0)
        sources = open_sources(bundle, settings)
        progress.started(Outline(run=printable(folder.path), plan=plan.id, drift=plan.drift, epochs=0))
        metering.measure_idle(progress.note)
        data = open_whole(sources, folder.cache, progress, stopwatch)
        _check_images(data, bundle, len(before.manifest.classes))
        weights = load_weights(bundle)
        known = moments_of(None if options.base is None else Path(options.base))
        # A head that was trained may mean other things by its classes than the source did.
        source = None if before.changed and known is None else load_source(before, before.changed, known)
        lesson = _Lesson(bundle, plan, named, settings, data, weights, source)
        lesson.learn(len(before.manifest.classes), progress, stopwatch)
        record = RunFile(
            stored_path(bundle.folder.resolve()),
            data.fingerprint,
            datetime.now(UTC).isoformat(timespec="seconds"),
            settings,
            base=base,
            added=bundle.added_classes,
            learned=lesson.record(options.add_classes, folder),
        )
        state = lesson.state(trained, record)
        accounts = Accounts(metering, stopwatch, settings.epochs)
        accounts.prepare(state)
        accounts.finish(state)
    result = train_result(
        plan,
        settings,
        data,
        len(bundle.manifest.classes),
        state,
        stopped="learned",
        cache=cache_result(None, plan, settings, data.images),
        memory=plan_memory(bundle, plan, settings, data.images).after_reading(data.reading, None),
        selection=None,
        learned=record.learned,
        no_energy=meter.why or metering.problem or "nothing was trained in epochs",
        run=printable(folder.path),
    )
    report = build_report(bundle.manifest, record, state, result, None)
    # Only what is whole is kept: nothing goes on with half of it.
    folder.write_run(record)
    folder.write_state(state)
    write_report(report, folder.report_file)
    folder.remove_cache()
    return result


def _check_images(data: TrainingData, bundle: Bundle, before: int) -> None:
    """Raises TbftError where no image has a label, or a new class has none."""
    labels, noun = data.train.labels(data.train.indices), bundle.manifest.noun
    if not len(labels):
        raise TbftError(f"no {noun} has a label", f"give some {noun}s of each class")
    for number in range(before, len(bundle.manifest.classes)):
        if not (labels == number).any():
            name = bundle.manifest.classes[number]
            raise TbftError(
                f"there is no {noun} of the new class '{name}'", f"put some, better ten, into a folder named '{name}'"
            )


@dataclass
class _Lesson:
    """What a head is learned from, and what came of it."""

    bundle: Bundle
    plan: Plan
    named: LinearHead
    settings: Settings
    data: TrainingData
    weights: Tensors
    source: SourceDomain | None
    reader: FeatureReader = field(init=False)
    learned: LearnedHead = field(init=False)
    features: np.ndarray = field(init=False)
    unseen: np.ndarray | None = field(init=False)

    def learn(self, before: int, progress: Progress, stopwatch: Stopwatch) -> None:
        """One pass over all images, and a head; the network had `before` classes."""
        train, validation = self.data.train, self.data.validation
        progress.begin("looking at images", len(train) + len(validation))
        self.reader = FeatureReader.load(self.bundle, self.plan, self.settings, self.weights, progress)
        with stopwatch.lap("prefix"):
            self.features = self.reader.read(train)
            self.unseen = self.reader.read(validation) if len(validation) else None
        old, source = self.old, self.source
        with stopwatch.lap("train"):
            self.learned = learn_head(
                Head.of(old.weight[:before], old.bias[:before]),
                self.features,
                train.labels(train.indices),
                old.classes,
                None if source is None else source.moments,
                None if source is None else source.kept,
            )
        if not all(np.isfinite(part).all() for part in (self.learned.head.weight, self.learned.head.bias)):
            raise TbftError(
                "the features of the images give a head of what are no numbers",
                "do not trust the bundle, or export it again from a model that learned",
            )

    def state(self, trained: Settings, record: RunFile) -> TrainingState:
        """The run's state: the head as the best there is, and how good old and new one are."""
        state = initial_state(self.bundle, self.plan, trained, self.weights)
        state.run = record
        before, after = self.tallies
        state.before, state.confusions["before"] = before.evaluation(), before.confusion()
        state.current |= tensors_of(self.learned.head, self.named)
        state.keep_best(0, after.evaluation(), after.confusion(), None, None)
        return state

    @cached_property
    def old(self) -> Head:
        """The head that the run began with, with empty rows for what is added."""
        return head_of(self.weights, self.named)

    @cached_property
    def tallies(self) -> tuple[Tally, Tally]:
        """What the old head and the new one say of images that neither was made of."""
        before, after = Tally(), Tally()
        part = self.data.validation
        if self.unseen is not None:
            labels = part.labels(part.indices)
            before.add(self.old.logits(self.unseen), labels)
            after.add(self.learned.head.logits(self.unseen), labels)
            return before, after
        part = self.data.train
        labels = part.labels(part.indices)
        # Of the only image of its class nothing is known without it.
        known = told(self.learned.left_out, labels)
        before.add(self.old.logits(self.features[known]), labels[known])
        after.add(self.learned.left_out[known], labels[known])
        return before, after

    def record(self, added: Sequence[str], folder: RunFolder) -> Learned:
        """What is told of it; moments of all classes are written into the folder, for a later run."""
        _, after = self.tallies
        moments = None
        # Under other labels the classes are others than the source's.
        if self.source is not None and (added or self.learned.kind in ("old", "lda")):
            train, classes = self.data.train, len(self.bundle.manifest.classes)
            joined = self.source.moments.joined(self.features, train.labels(train.indices), classes)
            moments = keep_moments(SourceDomain(joined, self.source.kept), folder)
        return learned_record(
            self.learned,
            self.old,
            None if self.source is None else self.source.kept,
            classes=self.bundle.manifest.classes,
            added=added,
            images=len(self.data.train),
            right=per_class(after.confusion()),
            passes=self.reader.images / self.data.images,
            moments=moments,
        )
