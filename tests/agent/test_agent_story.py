"""The story of `make demo-agent`, accelerated: it notices, adapts without labels, asks, is answered, adapts again.

Everything is real but the clock and the world: trainings are processes of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from support.agents import TurnedClock, answered, configured, dark_pictures, journal, old_pictures, show, started, until
from support.bundles import CLASSES, compiled
from support.toys import OLD_COLOURS, coloured_squares
from tbft_agent.agent import Agent
from tbft_agent.states import State

# Seconds of the turned clock between two questions that nobody had a reason for.
SPOT_CHECK = 50.0


class World:
    """Squares under some light, what they mean, and who says so when asked."""

    def __init__(self, agent: Agent, clock: TurnedClock) -> None:
        self.agent, self.clock = agent, clock
        self.meaning: Callable[[int], str] = lambda number: CLASSES[number]
        self._numbers: dict[str, int] = {}
        self._seed = 100

    def pass_by(self, pictures: Callable[[int, int], list[bytes]], until_what: Callable[[], bool]) -> None:
        """Eight squares after each other, a look, and answers to what is asked, until something is so."""
        for _ in range(400):
            if until_what():
                return
            self._seed += 1
            labels = coloured_squares(8, self._seed, colours=OLD_COLOURS)[1]
            shown = pictures(8, self._seed)
            self._numbers |= {
                hashlib.sha256(content).hexdigest(): int(number) for content, number in zip(shown, labels, strict=True)
            }
            show(self.agent, shown)
            if self.agent.core.pupil.is_busy:
                until(lambda: not self.agent.core.pupil.is_busy, self.agent, self.clock)
            self.clock.turn(5)
            self.agent.tick()
            for kept in self.agent.core.store.asked():
                if kept.label is None:
                    self.agent.label(kept.digest, self.meaning(self._numbers[kept.digest]))
        raise AssertionError(journal(self.agent)[-8:])

    def accuracy(self, pictures: Callable[[int, int], list[bytes]]) -> float:
        """Of squares that it was never shown, by the model that answers."""
        labels = coloured_squares(64, 7, colours=OLD_COLOURS)[1]
        served = self.agent.core.answering.served
        right = 0
        for content, number in zip(pictures(64, 7), labels, strict=True):
            right += answered(served, content) == self.meaning(int(number))
        return right / 64


@pytest.mark.long
def test_from_a_drift_to_other_meanings(tmp_path: Path) -> None:
    """Dark pictures are learned without a label; that names changed is noticed by a few labels, and learned by more."""
    clock = TurnedClock()
    asking = {"every_days": SPOT_CHECK / 86_400, "images": 8}
    agent = started(configured(tmp_path, compiled("kept"), ask=asking, adapt={"labels": 30}), clock)
    world = World(agent, clock)
    world.pass_by(old_pictures, lambda: len(agent.core.watch.windows) >= 12)
    assert agent.core.memory.state is State.WATCHING, journal(agent)

    before = world.accuracy(dark_pictures)
    world.pass_by(dark_pictures, lambda: any(line.startswith("passed") for line in journal(agent)))
    dark = agent.core.answering.version
    assert dark > 0
    assert world.accuracy(dark_pictures) > before

    world.meaning = lambda number: CLASSES[(number + 1) % len(CLASSES)]
    assert world.accuracy(dark_pictures) < 0.2
    world.pass_by(dark_pictures, lambda: agent.core.answering.version > dark)
    told = journal(agent)
    assert any(line.startswith("wrong") for line in told)
    assert any(line.startswith("labels needed") for line in told)
    assert world.accuracy(dark_pictures) > 0.8
    version = agent.core.versions.get(agent.core.answering.version)
    assert version is not None
    assert version.verified
    agent.close()
