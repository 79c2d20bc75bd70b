"""The agent as others see it: it hears of images, looks around once a second, and is told things by people."""

from __future__ import annotations

import msgspec

from tbft_agent.adapting.lesson import Candidate
from tbft_agent.answering import Answering, first_that_answers
from tbft_agent.clock import Age, Clock
from tbft_agent.core import Core
from tbft_agent.deciding import accept, decide
from tbft_agent.journal import Journal
from tbft_agent.keeping.record import Kept
from tbft_agent.keeping.store import Store
from tbft_agent.memory import Memory, read_memory
from tbft_agent.place import Place
from tbft_agent.pupil import Pupil
from tbft_agent.serving.served import Looked
from tbft_agent.settings import Configured
from tbft_agent.states import Event, State
from tbft_agent.versions import BUNDLE, Versions
from tbft_artifacts.rights import private_folder
from tbft_runtime.board.access import THIS_BOARD, Board
from tbft_runtime.board.watch import BoardWatch

# What is remembered is written so often at least.
_SAVE_SECONDS = 60.0
# So many starts, none of which lived so long, are a loop of crashes: the model before answers then.
CRASHES, HEALTHY_SECONDS = 3, 120.0
_DAY = 24 * 3600.0
_IN_BACKGROUND = (State.ADAPTING, State.PROVING)


class Agent:
    """Everything between pictures, people and models."""

    def __init__(self, configured: Configured, clock: Clock, board: Board = THIS_BOARD) -> None:
        """Load the model that answered last; the folder is taken already (`Place.taken`).

        Raises TbftError if none can be loaded, not even the bundle.
        """
        settings, place = configured.settings, Place(configured.state)
        memory = read_memory(place.memory) or Memory()
        self.core = Core(
            configured,
            place,
            clock,
            Journal(place.folder, clock),
            Versions(place.versions, configured.bundle),
            Store(place.images, settings.keep.bytes, settings.keep.days * _DAY),
            BoardWatch(board),
            msgspec.structs.replace(memory, starts=memory.starts + 1),
            Age(clock, memory.lived),
        )
        self._began = self.core.age.seconds()
        self._begin()

    def hear(self, content: bytes, looked: Looked, version: int) -> None:
        """Of an image that was answered: watch it, count it, keep it."""
        core = self.core
        with core.lock:
            if version != core.answering.version:
                return
            core.watch.add(looked.numbers, looked.label, looked.confidence)
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

    def tick(self) -> None:
        """Look at what happened, decide what follows, and remember it now and then. One thread calls it."""
        core = self.core
        with core.lock:
            core.store.prune(core.age.seconds())
            self._keep_normal()
            decide(core)
            if core.memory.starts and core.age.seconds() - self._began >= HEALTHY_SECONDS:
                core.remember(starts=0)
            if core.clock.steady() - core.saved >= _SAVE_SECONDS:
                core.save()

    def close(self) -> None:
        """End what goes on in the background, and remember."""
        core = self.core
        core.pupil.stop()
        with core.lock:
            if core.memory.state in _IN_BACKGROUND:
                core.remember(state=State.DRIFTED)
            core.remember(starts=0)
            core.save()
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
            return self.core.answering.version if accept(self.core) else None

    def roll_back(self) -> int:
        """Let the model before answer; its number."""
        self.core.pupil.stop()
        with self.core.lock:
            return self.core.back(Event.ROLL_BACK, "somebody wants the model before")

    def purge(self) -> int:
        """Forget every image; how many there were."""
        with self.core.lock:
            count = self.core.store.purge()
            self.core.journal.write("purged", "somebody wants all images forgotten", images=count)
            return count

    def _begin(self) -> None:
        core = self.core
        number = core.versions.current
        if core.memory.starts > CRASHES and number != BUNDLE:
            core.failed(number, f"it was started {core.memory.starts} times, and never lived for long")
            number = core.versions.before(number)
            core.remember(starts=1)
        served, found = first_that_answers(
            core.load, number, core.versions.before, lambda bad, error: core.failed(bad, error.message)
        )
        if found != core.versions.current:
            core.versions.activate(found)
        if core.memory.state in _IN_BACKGROUND:
            core.remember(state=State.DRIFTED)
        if core.memory.state is State.PROBATION and found != number:
            core.remember(state=State.WATCHING)
        core.save()
        core.answering = Answering(core.clock, core.settings.http.waiting, self.hear, served, found)
        core.watch_by(served, found)
        core.pupil = Pupil(self._candidate_is_there)
        core.versions.prune()
        by = "" if served.sees_norms else "; the bundle does not know its source images, so pixels tell drift"
        core.journal.write("started", f"version {found} answers{by}", version=found, state=core.memory.state.value)

    def _candidate_is_there(self, _candidate: Candidate) -> None:
        self.core.trained = True

    def _keep_normal(self) -> None:
        """What was learned of the normal need not be learned again."""
        core = self.core
        number, normal = core.answering.version, core.watch.normal
        path = core.versions.normal(number)
        if normal is None or normal is core.answering.served.normal or path.exists():
            return
        private_folder(path.parent)
        normal.write(path)
        core.journal.write("learned", "what is normal is known from images of this place", version=number)
