"""All that the agent is made of, and what its decisions share: to remember, to go on, to go back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from tbft_agent.adapting.energy import Spent
from tbft_agent.adapting.lesson import Lesson, Means
from tbft_agent.adapting.permission import Permission
from tbft_agent.answering import Answering
from tbft_agent.clock import Age, Clock
from tbft_agent.journal import Journal
from tbft_agent.keeping.record import Kept
from tbft_agent.keeping.store import Store
from tbft_agent.memory import Memory, Trial, write_memory
from tbft_agent.place import Place
from tbft_agent.pupil import Proven, Pupil
from tbft_agent.serving.served import Served, serve
from tbft_agent.settings import Configured, Settings
from tbft_agent.states import Event, following
from tbft_agent.trying import NOTHING_TRIED, Why, why_not
from tbft_agent.versions import BUNDLE, Versions
from tbft_agent.watching.normal import Normal
from tbft_agent.watching.quiet import Evidence, read_quiet, write_quiet
from tbft_agent.watching.watch import Watch
from tbft_artifacts.errors import TbftError
from tbft_artifacts.rights import private_folder
from tbft_runtime.graphs.sessions import default_threads
from tbft_runtime.meters.meter import NO_METER

# A drift of weeks has more images than a board can train on in a night: the last of them, so many for each that
# training waits for.
_MOST_FOR_EACH = 4


@dataclass
class Core:
    """The parts. `lock` is held by whoever changes anything but the store, which has its own."""

    configured: Configured
    place: Place
    clock: Clock
    journal: Journal
    versions: Versions
    store: Store
    permission: Permission
    memory: Memory
    age: Age
    # What figures are marked with.
    marks: Mapping[str, str]
    answering: Answering = field(init=False)
    watch: Watch = field(init=False)
    pupil: Pupil = field(init=False)
    # A candidate that labels were too few to decide on.
    undecided: Proven | None = None
    waits_for: str | None = None
    trained: bool = False
    # The age at which images to ask about were last chosen by this process.
    asked_at: float | None = None
    # How many labels the model that answers, and no label verified, was last held against the one before by.
    compared: int = 0
    # What is wrong now, by what it is wrong with; each is said once.
    troubles: dict[str, str] = field(default_factory=dict)
    saved: float = 0.0
    _quiet_saved: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def settings(self) -> Settings:
        return self.configured.settings

    def remember(self, **what: Any) -> None:
        """From now on; written by `save`."""
        self.memory = msgspec.structs.replace(self.memory, **what)

    def save(self) -> None:
        """Write what is remembered; where the disk is full, or a card gave up, the agent goes on without."""
        self.saved = self.clock.steady()
        self.remember(lived=self.age.seconds())
        with contextlib.suppress(TbftError, OSError):
            write_memory(self.place.memory, self.memory)

    def save_quiet(self) -> None:
        """Keep how far from normal windows are here; where the disk is full it is told anew."""
        quiet, path = self.watch.evidence.quiet, self.versions.quiet(self.answering.version)
        if len(quiet) != self._quiet_saved:
            with contextlib.suppress(TbftError, OSError):
                private_folder(path.parent)
                write_quiet(path, self.settings.watch.window, quiet)
                self._quiet_saved = len(quiet)

    def count(self, spent: Spent | None) -> None:
        """Energy of a training that ended somehow; None where none did."""
        if spent is None:
            return
        estimated = spent.estimated(self.memory.watts)
        joules = spent.measured + (estimated or 0.0)
        self.memory = self.memory.spent(joules)
        self.remember(begun=None, watts=self.memory.watts if spent.watts is None else spent.watts)
        if estimated is None and self.settings.adapt.meter == NO_METER:
            return
        if estimated is None:
            says = f"what a training of {spent.seconds:.0f} s took is not known: no meter has said anything yet"
        else:
            by = f"{estimated:.0f} of them by mean power and time"
            says = f"a training of {spent.seconds:.0f} s took {joules:.0f} J, {by}"
        self.journal.write("energy", says, seconds=spent.seconds, measured=spent.measured, estimated=estimated)

    def happened(self, event: Event, says: str, remember: dict[str, Any] | None = None, **figures: Any) -> bool:
        """Go on as the table says, and write down why; False where the event means nothing now."""
        before = self.memory.state
        state = following(before, event)
        if state is None:
            return False
        self.waits_for = None
        self.remember(state=state, since=self.age.seconds(), **(remember or {}))
        self.journal.write(event.value, says, before=before.value, state=state.value, **figures)
        self.save()
        return True

    def rest(self, event: Event, says: str, why: Why | None = None, **figures: Any) -> None:
        """What was tried came to nothing: watch again, and try nothing for a while, nor the same for longer.

        `why` it did; None where nothing came of it for another reason than what was tried.
        """
        self.undecided = None
        memory, age = self.memory, self.age.seconds()
        left = event in (Event.FAILED, Event.NO_BETTER) and memory.cause == "images"
        forgotten: dict[str, Any] = {"cause": None, "needs_labels": False, "asked": 0, "cut": 0, "unresolved": left}
        if why is not None:
            tried = memory.tried.once_more(
                why,
                at=age,
                labels=self.labels_of_all,
                episode=memory.episode,
                with_labels=memory.needs_labels,
                answers=memory.cause == "answers",
            )
            more = tried.more(self.settings.adapt.labels)
            forgotten |= {"tried": tried, "asked": len(self.labelled()) + more if more else 0}
            hours = (tried.until(self.rest_seconds) - age) / 3600
            says = f"{says}; the same is not tried again for {hours:.0f} hours; what may help: {tried.helps}"
        self.happened(event, says, {"rests_until": age + self.rest_seconds, **forgotten}, **figures)
        self.place.clear_work()

    @property
    def why_not_again(self) -> str | None:
        """Why what came to nothing is not tried again now; None if it is, or nothing did in this drift."""
        tried = self.memory.tried
        if tried.episode != self.memory.episode:
            return None
        return why_not(
            tried,
            age=self.age.seconds(),
            labels=self.labels_of_all,
            wanted=self.settings.adapt.labels,
            rest=self.rest_seconds,
        )

    @property
    def has_new_labels(self) -> bool:
        """Whether there are so many more than when something came to nothing that it may not come to that now."""
        return self.memory.tried.has_news(self.labels_of_all, self.settings.adapt.labels)

    @property
    def rest_seconds(self) -> float:
        return self.settings.adapt.rest_hours * 3600

    @property
    def labels_of_all(self) -> int:
        """How many images have a label, whichever drift they are of."""
        return self.store.count_where("label is not null and label != ''")

    def labelled(self) -> list[Kept]:
        """Images of this drift, or of the time since the last, of which somebody said what they show."""
        return self.store.where("episode = ? and label is not null and label != ''", self.memory.episode)

    @property
    def unlabelled(self) -> int:
        """How many images of this drift nobody said anything of: those that a lesson is made of."""
        return self.store.count_where("episode = ? and label is null", self.memory.episode)

    def lesson(self) -> Lesson:
        """What could be trained now, and on what."""
        means: Means = "with labels" if self.memory.needs_labels else "without labels"
        labelled = self.labelled()
        # What people correct by themselves is what is wrong: any other model seems better on it. Of those that were
        # asked about all may prove what was trained without labels.
        sampled = [kept for kept in labelled if kept.sampled]
        proving = sampled if means == "without labels" else [kept for kept in sampled if kept.held_out]
        known = self.versions.get(self.answering.version)
        most = _MOST_FOR_EACH * self.settings.adapt.images
        version, threads = self.answering.version, self.settings.threads or default_threads()
        return Lesson(
            means=means,
            bundle=self.versions.bundle,
            run=None if version == BUNDLE else self.versions.model(version),
            classes=self.answering.served.classes,
            pool=self.store.latest_where(most, "episode = ? and label is null", self.memory.episode),
            labelled=[] if means == "without labels" else [kept for kept in labelled if not kept.held_out],
            proving=proving,
            path=self.store.path,
            work=self.place.work,
            settings=self.settings.adapt,
            threads=max(1, threads - 1),
            answering_threads=self.settings.threads,
            expect_id=self.settings.expect_id,
            renamed=known is not None and known.renamed,
        )

    def load(self, number: int) -> Served:
        """Raises TbftError if that version cannot be loaded, or gives no answer to a picture."""
        try:
            served = serve(self.versions.model(number), self.settings.threads)
            taken = served.preprocessing
            served.look(np.zeros((1, *taken.row_shape), np.float32 if taken.is_signal else np.uint8))
        except TbftError:
            raise
        except Exception as error:  # Files that are damaged in a way that nobody foresaw.
            raise TbftError(f"it cannot be loaded: {type(error).__name__}: {error}", "roll back") from error
        return served

    def first_that_answers(self, number: int) -> tuple[Served, int]:
        """That version, or if it cannot be loaded one before it. Raises TbftError if not even the bundle can be."""
        while True:
            try:
                return self.load(number), number
            except TbftError as error:
                if number == BUNDLE:
                    raise
                self.failed(number, error.message)
                number = self.versions.before(number)

    def take_over(self, served: Served, number: int, normal: Normal | None = None) -> None:
        """Let a loaded version answer, and watch by what is normal to it; a new drift is another episode."""
        self.answering.replace(served, number)
        self.watch_by(served, number, normal)
        self.compared = 0
        # Numbers of versions that are gone come again: who chose one of them did not choose this.
        self.remember(episode=self.memory.episode + 1, trial=Trial(), version=number, unresolved=False, chosen=0)
        self.remember(tried=NOTHING_TRIED)

    def watch_by(self, served: Served, number: int, normal: Normal | None = None) -> None:
        """Begin to watch; `normal` where it is known already, else what was kept, or what the bundle knows."""
        classes = len(served.classes)
        known = normal or Normal.read(self.versions.normal(number), classes) or served.normal
        # Distances from what is learned anew are others.
        quiet = [] if known is None else read_quiet(self.versions.quiet(number), self.settings.watch.window)
        self.watch = Watch(self.settings.watch, classes, known, served.prior, Evidence(quiet))
        self._quiet_saved = len(quiet)

    def failed(self, number: int, why: str) -> None:
        """Nobody goes back to this version any more."""
        version = self.versions.get(number)
        if version is not None:
            with contextlib.suppress(TbftError, OSError):  # On a full disk it is tried once more one day.
                self.versions.mark(msgspec.structs.replace(version, failed=why))
        self.journal.write("failed", f"version {number} does not answer any more: {why}", version=number)

    def back(self, event: Event, why: str) -> int:
        """Let the version before answer again; which one.

        Raises TbftError if none can be loaded, or not be written down as the current one: the same answers on.
        """
        bad = self.answering.version
        number = bad
        if bad != BUNDLE:
            served, number = self.first_that_answers(self.versions.before(bad))
            self.versions.activate(number)
            self.failed(bad, why)
            self.take_over(served, number)
        self.rest(event, why, version=number)
        return number
