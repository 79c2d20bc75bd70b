"""A bank of domains that is opened: windows of images go to the domain that they look like."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tbft_artifacts.archive import opened
from tbft_artifacts.bundle import Bundle, bundle_id
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.signing.trust import UntrustedError
from tbft_artifacts.stored_paths import from_stored
from tbft_runtime.domains.file import BankFile, Domain, read_bank
from tbft_runtime.domains.reader import ChannelReader
from tbft_runtime.domains.record import SOURCE
from tbft_runtime.domains.statistics import Statistics, route
from tbft_runtime.exits.staged import Answers
from tbft_runtime.graphs.graph_file import GraphFile, bundle_graph
from tbft_runtime.graphs.sessions import Tensors, checked_threads
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.inference.batches import in_batches, so_many
from tbft_runtime.inference.model import Model, unknown_above, whole_model
from tbft_runtime.inference.pictures import prepared
from tbft_runtime.inference.predictor import Answer, Predictions, each_answer

# Images that are taken to be of one domain, whichever it is.
WINDOW, LARGEST_WINDOW = 16, 1024


@dataclass(frozen=True)
class Answered:
    """A window's answers (N, K), the domain that gave them, and whether the window fits it, or none."""

    answers: Answers
    domain: str
    fits: bool
    unknown_above: float | None

    def each(self, classes: Sequence[str]) -> Iterator[Answer]:
        """The answer to each image."""
        return each_answer(self.answers, classes, self.unknown_above)


@dataclass(frozen=True)
class Entry:
    """A domain of an open bank; `adapted` is None of the bundle as it came."""

    name: str
    statistics: Statistics
    adapted: Domain | None
    unknown_above: float | None


@dataclass(frozen=True)
class Bank:
    """Runs of one bundle, each for a domain, and the bundle as it came, for programs that classify window after window.

    A domain's model is loaded when the first window goes to it. Every image goes through the bundle's own network,
    which tells the domain, and through that of its domain, unless that is the same.
    """

    # What the rest is made of; `open` makes it.
    reader: ChannelReader
    manifest: Manifest
    own: Tensors
    entries: Sequence[Entry]
    graphs: dict[str, GraphFile]
    threads: int
    _models: dict[str, Model] = field(default_factory=dict)

    @classmethod
    def open(cls, path: str | os.PathLike[str], threads: int | None = None, expect_id: str | None = None) -> Bank:
        """Load the bank at `path`, and its bundle.

        Args:
            path: A file of `make_bank`.
            threads: How many threads compute; None: as many as there are cores.
            expect_id: The id, all 64 digits, that the bank's bundle must have; None: whichever it has.

        Returns:
            The bank in memory; the files are not read again.

        Raises:
            TbftError: There is no such bank, it is damaged, or its bundle is gone or another one.

        Example:
            >>> from tbft_runtime import Bank
            >>> Bank.open("light.bank", threads=1).domains
            ('source', 'night')
        """
        file, threads = read_bank(Path(path)), checked_threads(threads)
        with opened_bundle(file, expect_id) as bundle:
            own = load_weights(bundle)
            reader = ChannelReader.load(bundle, own, threads)
            adapted = file.domains(own, len(reader.covariance))
            graphs = {plan: bundle_graph(bundle, bundle.plan(plan).predict) for plan in file.plans}
            entries = [
                Entry(
                    *(each.record.name, each.statistics, each),
                    unknown_above(bundle, {**own, **each.changed}, each.changed),
                )
                for each in adapted
            ]
            if all(entry.name != SOURCE for entry in entries):
                entries.insert(
                    0,
                    Entry(
                        SOURCE,
                        reader.source([entry.statistics for entry in entries]),
                        None,
                        unknown_above(bundle, own, ()),
                    ),
                )
            return cls(reader, bundle.manifest, own, entries, graphs, threads)

    @property
    def domains(self) -> tuple[str, ...]:
        """Their names; `source` is the bundle as it came, unless a run took its place."""
        return tuple(entry.name for entry in self.entries)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return tuple(self.manifest.classes)

    def predict(self, images: np.ndarray | Iterable[str | os.PathLike[str]], window: int = WINDOW) -> Predictions:
        """How likely each class is, for each image, as the domain says that its window looks like.

        Args:
            images: As `Predictor.predict` takes them, in the order in which they were taken.
            window: So many images after each other are taken to be of one domain; the last ones may be fewer.

        Returns:
            As of `Predictor.predict`, and of each image the domain, and whether its window fits any of the domains;
            where it does not, the nearest one answers.

        Raises:
            TbftError: There is no image, a file cannot be read, or an array is none of RGB bytes.

        Example:
            >>> from tbft_runtime import Bank
            >>> Bank.open("light.bank").predict(["photo.png"]).labels
            ('bee',)
        """
        checked_window(window)
        windows = [self.answer(np.stack(some)) for some in so_many(prepared(images, self.reader.preprocessing), window)]
        found = [(answer, each) for each in windows for answer in each.each(self.classes)]
        return Predictions(
            np.array([answer.probabilities for answer, _ in found], np.float32),
            tuple(answer.label for answer, _ in found),
            tuple(answer.exit for answer, _ in found),
            tuple(answer.unknown for answer, _ in found),
            tuple(each.domain for _, each in found),
            tuple(each.fits for _, each in found),
        )

    def answer(self, pixels: np.ndarray) -> Answered:
        """What is answered to one window (N, H, W, C) uint8 of prepared pixels."""
        batches = [np.stack(some) for some in in_batches(pixels, self.manifest.shape)]
        seen = [self.reader.look(batch) for batch in batches]
        described = np.concatenate([each.described for each in seen])
        number, fits = route([entry.statistics for entry in self.entries], described)
        entry = self.entries[number]
        if entry.adapted is None:
            logits = [each.logits for each in seen]
        else:
            model = self._model(entry.adapted)
            logits = [model.logits(batch) for batch in batches]
        answers = Answers(np.concatenate(logits), [None] * len(pixels))
        return Answered(answers, entry.name, fits, entry.unknown_above)

    def _model(self, domain: Domain) -> Model:
        name, plan = domain.record.name, domain.record.plan
        if name not in self._models:
            weights = {**self.own, **domain.changed}
            self._models[name] = whole_model(self.graphs[plan], weights, self.threads, self.manifest)
        return self._models[name]


@contextlib.contextmanager
def opened_bundle(file: BankFile, expect_id: str | None, moved: Path | None = None) -> Iterator[Bundle]:
    """The bundle of a bank, or the one at `moved`, if it is that. Raises TbftError."""
    check_expected(file, expect_id)
    hint = "put the bundle back where it was; 'tbft-edge bank' takes another place with `bundle`"
    place = moved or from_stored(file.record.bundle)
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(opened(place))
        except UntrustedError:
            raise
        except TbftError as error:
            raise TbftError(error.message, hint) from error
        if found.manifest.bundle_id != file.record.bundle_id:
            raise TbftError(f"'{place}' is not the bundle that bank '{file.path}' was made for", hint)
        yield found


def check_expected(file: BankFile, expect_id: str | None) -> None:
    """Raises TbftError for a bank of another bundle than the expected one."""
    if expect_id is not None and bundle_id(expect_id) != file.record.bundle_id:
        raise TbftError(
            f"bank '{file.path}' is of bundle {file.record.bundle_id}, and not the one that `expect_id` says",
            "do not trust it, or give the id that 'tbft-edge export' printed for its bundle",
        )


def checked_window(window: int) -> int:
    """So many images. Raises TbftError for none, and for more than there is memory for."""
    if not 1 <= window <= LARGEST_WINDOW:
        raise TbftError(f"`window` {window} is not from 1 to {LARGEST_WINDOW}", f"{WINDOW} images tell most domains")
    return window
