"""An agent on a stage: its clock is turned, and its pupil ends as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from support.agents import StandIn, TurnedClock, configured, dark_pictures, proven, show, started
from support.bundles import CLASSES, compiled
from tbft_agent.adapting.lesson import HeldBackError, Lesson
from tbft_agent.pupil import Proven
from tbft_agent.states import State
from tbft_artifacts.errors import TbftError

Outcome = Callable[[Lesson], Proven | TbftError | HeldBackError | None]


class Stage:
    """An agent with a clock, and what its pupil will say next."""

    def __init__(self, folder: Path, **tables: object) -> None:
        self.clock = TurnedClock()
        self.agent = started(configured(folder, compiled("kept"), **tables), self.clock)
        self.outcomes: list[Outcome] = []
        self.pupil = StandIn(self._next(), self.agent.core.pupil.on_trained)
        self.agent.core.pupil = self.pupil  # type: ignore[assignment]

    def _next(self) -> Iterator[Outcome]:
        while True:
            yield self.outcomes.pop(0)

    @property
    def state(self) -> State:
        return self.agent.core.memory.state

    def tick(self, times: int = 1, seconds: float = 1) -> State:
        for _ in range(times):
            self.clock.turn(seconds)
            self.agent.tick()
        return self.state

    def drift(self, pictures: int = 40) -> None:
        """Images look otherwise; there are enough of them to train on."""
        show(self.agent, dark_pictures(16, 1))
        self.tick()
        assert self.state is State.DRIFTED
        show(self.agent, dark_pictures(pictures, 2))

    def better(self, gained: int = 6, lost: int = 0, equal: int = 0) -> Outcome:
        return proven(self.agent.core.answering.served, gained, lost, equal)

    def answer(self, label: Callable[[str], str], most: int = 1000) -> int:
        """Label what is asked, by what was answered."""
        asked = [kept for kept in self.agent.core.store.asked() if kept.label is None][:most]
        for kept in asked:
            self.agent.label(kept.digest, label(kept.answer))
        return len(asked)


def wrong(answer: str) -> str:
    """Another class."""
    return CLASSES[(CLASSES.index(answer) + 1) % len(CLASSES)]
