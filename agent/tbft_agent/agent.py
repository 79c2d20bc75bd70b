"""The agent as others see it: it hears of images, looks around once a second, and is told things by people."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec
import numpy as np

from tbft_agent.adapting.energy import Spent
from tbft_agent.adapting.lesson import Candidate
from tbft_agent.adapting.permission import Permission
from tbft_agent.answering import Answering
from tbft_agent.bundled import led_to, marked, settled
from tbft_agent.clock import Age, Clock
from tbft_agent.core import Core
from tbft_agent.deciding import accept, decide, may_be_accepted
from tbft_agent.journal import Journal
from tbft_agent.keeping.record import Kept
from tbft_agent.keeping.store import Store
from tbft_agent.memory import Trial
from tbft_agent.place import Place
from tbft_agent.pupil import Pupil
from tbft_agent.remembering import remembered
from tbft_agent.serving.served import Looked
from tbft_agent.settings import Configured
from tbft_agent.states import Event, State
from tbft_agent.trying import NOTHING_TRIED, Why
from tbft_agent.versions import BUNDLE, Versions
from tbft_agent.watching.normal import Normal
from tbft_artifacts.errors import TbftError
from tbft_artifacts.rights import private_folder
from tbft_runtime.board.access import THIS_BOARD, Board
from tbft_runtime.board.watch import BoardWatch

# What is remembered is written so often at least.
_SAVE_SECONDS = 60.0
# So many starts, none of which lived so long, are a loop of crashes: the model before answers then. As many trainings
# that it did not live to see the end of are too much for the board.
CRASHES, HEALTHY_SECONDS = 3, 120.0
# A model that so many pictures after each other get no answer from has none.
_SILENT = 3
_BOOT, _LONGEST_BOOT = "proc/sys/kernel/random/boot_id", 64
_DAY = 24 * 3600.0
_IN_BACKGROUND = (State.ADAPTING, State.PROVING)


class Agent:
    """Everything between pictures, people and models."""

    def __init__(self, configured: Configured, clock: Clock, board: Board = THIS_BOARD) -> None:
        """Load the model that answered last; the folder is taken already (`Place.taken`).

        Raises TbftError if none can be loaded, not even the bundle.
        """
        settings, place = configured.settings, Place(configured.state)
        # Ahead of the bundle itself: one that comes in between is noticed.
        self._led_to = led_to(configured.bundle)
        bundle, number = settled(configured.bundle, place.bundle, settings.expect_id)
        journal, versions = Journal(place.folder, clock), Versions(place.versions, bundle)
        store = Store(place.images, settings.keep.bytes, settings.keep.days * _DAY)
        memory = remembered(place, store, versions, journal, number)
        versions.settle(number)
        boot = (board.read(_BOOT) or "")[:_LONGEST_BOOT]
        starts = memory.starts + 1 if memory.boot == boot else 1
        self.core = Core(
            configured,
            place,
            clock,
            journal,
            versions,
            store,
            Permission(settings.adapt, clock, board, BoardWatch(board)),
            msgspec.structs.replace(memory, starts=starts, boot=boot),
            Age(clock, memory.lived),
            marked(configured.bundle, number),
        )
        self.core.permission.look()
        # Before a model is loaded, which may end the process.
        self.core.save()
        self._began = self.core.age.seconds()
        self._known: Normal | None = None
        with contextlib.ExitStack() as undone:
            undone.callback(store.close)
            self._begin()
            undone.pop_all()

    def hear(self, content: bytes, looked: Looked, version: int) -> None:
        """Of an image that was answered: watch it, count it, keep it. Whatever is wrong with that, it was answered."""
        core = self.core
        with core.lock:
            if version != core.answering.version:
                return
            trial = core.memory.trial
            sure = trial.confidence + looked.confidence
            core.remember(trial=msgspec.structs.replace(trial, images=trial.images + 1, confidence=sure))
            core.store.add(
                content,
                suffix=".png" if content.startswith(b"\x89PNG") else ".jpg",
                lived=core.age.seconds(),
                version=version,
                episode=core.memory.episode,
                answer=looked.answer.label,
                confidence=looked.confidence,
            )
            try:
                core.watch.add(looked.numbers, looked.label, looked.confidence)
            except (ValueError, IndexError, ArithmeticError, np.linalg.LinAlgError) as error:
                # Of what was kept or learned of the normal: it is learned anew.
                core.journal.write("trouble", f"images cannot be held against what is normal: {error}")
                for path in (core.versions.normal(version), core.versions.quiet(version)):
                    with contextlib.suppress(OSError):
                        path.unlink(missing_ok=True)
                core.watch_by(core.answering.served, version)

    def tick(self) -> None:
        """Look at what happened, decide what follows, and remember it now and then. One thread calls it."""
        core, troubles = self.core, list[TbftError | OSError]()
        if core.answering.silent >= _SILENT and core.answering.version != BUNDLE:
            core.answering.silent = 0
            with self._idle():
                core.back(Event.ROLL_BACK, "it gives no answers")
        if core.memory.state is State.DRIFTED:
            # Answers wait for the lock, and need not for a command of the board.
            core.permission.look()
        with core.lock:
            core.count(core.pupil.spent())
            for step in (self._keep_normal, lambda: decide(core), lambda: core.store.prune(core.age.seconds())):
                # A disk that is full keeps nothing from being decided.
                try:
                    step()
                except (TbftError, OSError) as error:
                    troubles.append(error)
            if core.memory.starts and core.age.seconds() - self._began >= HEALTHY_SECONDS:
                core.remember(starts=0)
            if core.clock.steady() - core.saved >= _SAVE_SECONDS:
                core.save()
                core.save_quiet()
        if troubles:
            raise troubles[0]

    @property
    def is_outdated(self) -> bool:
        """Whether the link that is its bundle leads to another one by now: who begins anew begins with that."""
        now = led_to(self.core.configured.bundle)
        return now is not None and now != self._led_to

    def close(self) -> None:
        """End what goes on in the background, and remember."""
        core = self.core
        with self._idle():
            if core.memory.state in _IN_BACKGROUND:
                core.remember(state=State.DRIFTED)
            core.remember(starts=0)
            core.save()
            core.save_quiet()
            core.journal.write("stopped", "it was told to end")
            core.store.close()

    def label(self, digest: str, label: str | None) -> Kept | None:
        """Somebody says what an image shows: a class, "" for none of them, or None to take that back.

        None where there is no such image any more.
        """
        return self.core.store.label(digest, label)

    def pause(self, paused: bool) -> None:
        """Train nothing, or go on; answering is never paused."""
        core = self.core
        with core.lock:
            if core.memory.paused != paused:
                core.remember(paused=paused)
                core.journal.write("paused" if paused else "resumed", "somebody said so")
                core.save()

    def adapt_now(self) -> bool:
        """Adapt as if drift had been seen; False where that goes on already."""
        core = self.core
        with core.lock:
            labelled = len(core.labelled()) >= core.settings.adapt.labels
            told = {"cause": "told", "needs_labels": labelled, "asked": 0, "rests_until": 0.0}
            return core.happened(Event.TOLD, "somebody wants it to adapt", told)

    def accept(self) -> int | None:
        """Keep the model on probation, or take the candidate that labels did not decide on: the number of the model
        that answers now, None where there is neither. Raises TbftError if the candidate cannot be kept.
        """
        with self.core.lock:
            if not may_be_accepted(self.core):
                return None
        with self._idle():
            return self.core.answering.version if accept(self.core) else None

    def roll_back(self) -> int:
        """Let the model before answer; its number. Of the bundle's own only what goes on ends.

        Raises TbftError where it answers, and nothing goes on.
        """
        with self._idle():
            if self.core.answering.version == BUNDLE and self.core.memory.state is State.WATCHING:
                raise TbftError("the model as it came answers, and none came before it", "nothing was changed")
            return self.core.back(Event.ROLL_BACK, "somebody wants the model before")

    def purge(self) -> int:
        """Forget every image, also what a training makes of them; how many there were."""
        core = self.core
        with self._idle():
            # Its folder holds images, too.
            core.undecided = None
            core.remember(tried=NOTHING_TRIED)
            core.place.clear_work()
            count = core.store.purge()
            core.journal.write("purged", "somebody wants all images forgotten", images=count)
            return count

    @contextlib.contextmanager
    def _idle(self) -> Iterator[None]:
        """Hold the lock while nothing goes on in the background; answers wait for none of its end."""
        core = self.core
        while True:
            core.pupil.stop()
            with core.lock:
                # A decision may have begun something in between.
                if core.pupil.is_busy:
                    continue
                core.count(core.pupil.spent())
                yield
                return

    def _begin(self) -> None:
        core = self.core
        if core.memory.begun is not None:
            # It went on until somebody last wrote down that it did.
            core.count(Spent(max(0.0, core.memory.lived - core.memory.begun)))
        number = core.versions.current
        if core.memory.starts > CRASHES and number != BUNDLE:
            core.failed(number, f"it was started {core.memory.starts} times, and never lived for long")
            number = core.versions.before(number)
            core.remember(starts=1)
        served, found = core.first_that_answers(number)
        with contextlib.suppress(TbftError, OSError):  # On a full disk the next start finds the same.
            core.versions.activate(found)
        self._go_on_with(found)
        core.save()
        core.answering = Answering(core.clock, core.settings.http.waiting, self.hear, served, found)
        core.watch_by(served, found)
        self._known = core.watch.normal
        core.pupil = pupil = Pupil(self._candidate_is_there, core.settings.adapt.memory_bytes)
        core.answering.is_training = lambda: pupil.is_busy
        core.versions.prune()
        by = "" if served.sees_norms else "; the bundle does not know its source images, so pixels tell drift"
        if core.permission.no_meter is not None:
            core.journal.write("energy", core.permission.no_meter)
        core.journal.write("started", f"version {found} answers{by}", version=found, state=core.memory.state.value)

    def _go_on_with(self, number: int) -> None:
        """Be at what follows from what was remembered, and from the model that answers now."""
        core = self.core
        state, known = core.memory.state, core.memory.version
        if number == known:
            if state in _IN_BACKGROUND:
                core.remember(state=State.DRIFTED, cut=core.memory.cut + 1)
            if core.memory.cut >= CRASHES:
                # A training may take more current, or memory, than the board has.
                core.remember(state=State.ADAPTING)
                core.rest(Event.FAILED, f"{core.memory.cut} trainings were cut off: it rests", Why.BOARD)
            return
        # It was changed in the moment before the end, or the one that was remembered cannot be loaded.
        version = core.versions.get(number)
        trial = Trial(promised=None if version is None else version.confidence)
        after = State.PROBATION if number > known else State.WATCHING
        core.remember(
            state=after, since=core.age.seconds(), episode=core.memory.episode + 1, version=number, trial=trial
        )
        core.remember(cause=None, needs_labels=False, asked=0)
        if after is State.WATCHING:
            core.remember(rests_until=core.age.seconds() + core.settings.adapt.rest_hours * 3600)

    def _candidate_is_there(self, _candidate: Candidate) -> None:
        self.core.trained = True

    def _keep_normal(self) -> None:
        """What was learned of the normal need not be learned again."""
        core = self.core
        number, normal = core.answering.version, core.watch.normal
        path = core.versions.normal(number)
        if normal is None or normal is core.answering.served.normal or normal is self._known:
            return
        private_folder(path.parent)
        normal.write(path)
        self._known = normal
        core.journal.write("learned", "what is normal is known from images of this place", version=number)
