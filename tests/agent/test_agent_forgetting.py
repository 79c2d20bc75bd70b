"""The limit on what may be forgotten, by the real commands and with a bundle that keeps images: both ways."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.agents import (
    TurnedClock,
    answered,
    configured,
    dark_pictures,
    journal,
    old_pictures,
    show,
    started,
    until,
)
from support.bundles import CLASSES, KEPT, compiled
from support.toys import OLD_COLOURS, coloured_squares
from tbft_agent.agent import Agent
from tbft_agent.journal import Entry
from tbft_agent.settings import Adapting
from tbft_agent.states import Event, State

DEFAULT = {"most_forgotten": Adapting().most_forgotten, "unverified": False, "labels": 20}


@dataclass
class Place:
    """An agent, squares that come by, and somebody who says of them what they mean there."""

    agent: Agent
    clock: TurnedClock
    shift: int = 0
    seed: int = 100
    numbers: dict[str, int] = field(default_factory=dict)

    def pass_by(self, pictures: Any, until_states: tuple[State, ...], most: int = 60, labels: int = 1000) -> None:
        """Eight at a time, and answers to what is asked, but no more than so many labels."""
        core = self.agent.core
        for _ in range(most):
            self.seed += 1
            shown = pictures(8, self.seed)
            kinds = coloured_squares(8, self.seed, colours=OLD_COLOURS)[1]
            self.numbers |= {
                hashlib.sha256(content).hexdigest(): int(kind) for content, kind in zip(shown, kinds, strict=True)
            }
            show(self.agent, shown)
            if core.pupil.is_busy:
                until(lambda: not core.pupil.is_busy, self.agent, self.clock)
            self.clock.turn(5)
            self.agent.tick()
            for kept in core.store.asked():
                if kept.label is None and core.labels_of_all < labels:
                    self.agent.label(kept.digest, self.means(self.numbers[kept.digest]))
            if core.memory.state in until_states:
                return

    def means(self, number: int) -> str:
        return CLASSES[(number + self.shift) % len(CLASSES)]

    def right(self, pictures: Any, shift: int) -> int:
        """Of 64 squares that it was never shown."""
        served, kinds = self.agent.core.answering.served, coloured_squares(64, 7, colours=OLD_COLOURS)[1]
        expected = [CLASSES[(int(kind) + shift) % len(CLASSES)] for kind in kinds]
        return sum(answered(served, each) == name for each, name in zip(pictures(64, 7), expected, strict=True))

    def judged(self) -> list[Entry]:
        return [entry for entry in self.agent.core.journal.latest(1000) if "how" in entry.figures]


def made(folder: Path, shift: int = 0, ask: dict[str, Any] | None = None, **adapt: Any) -> Place:
    clock = TurnedClock()
    tables = {"adapt": {**DEFAULT, **adapt}} | ({} if ask is None else {"ask": ask})
    return Place(started(configured(folder, compiled(KEPT), **tables), clock), clock, shift)


def test_by_default_what_learned_the_dark_and_forgot_little_is_taken(tmp_path: Path) -> None:
    """It was refused for one of 20 kept images, begun anew, and so on without end."""
    place = made(tmp_path)
    before = place.right(dark_pictures, 0)
    place.pass_by(dark_pictures, (State.PROBATION,))
    assert place.agent.core.memory.state is State.PROBATION, journal(place.agent)
    (taken,) = place.judged()
    assert taken.figures["source after"] >= taken.figures["source before"] - 0.05
    assert place.right(dark_pictures, 0) > before
    assert place.right(old_pictures, 0) >= 0.85 * 64
    place.agent.close()


@pytest.mark.long
def test_what_forgot_more_goes_back_on_its_way_and_is_taken_then(tmp_path: Path) -> None:
    place = made(tmp_path, most_forgotten=0)
    before = place.right(dark_pictures, 0)
    place.pass_by(dark_pictures, (State.PROBATION,))
    assert place.agent.core.memory.state is State.PROBATION, journal(place.agent)
    taken = place.judged()[-1]
    assert "% of the way, so as to forget less" in taken.figures["how"]
    assert taken.figures["source after"] == taken.figures["source before"]
    assert place.right(dark_pictures, 0) > before
    version = place.agent.core.versions.get(place.agent.core.answering.version)
    assert version is not None
    assert version.how == taken.figures["how"]
    # It is what it loads after a restart.
    right = place.right(dark_pictures, 0)
    place.agent.close()
    place.agent = started(place.agent.core.configured, place.clock)
    assert place.right(dark_pictures, 0) == right
    place.agent.close()


@pytest.mark.long
def test_by_default_a_head_that_forgets_what_was_known_is_refused_once(tmp_path: Path) -> None:
    """`learn` told nothing of kept images, so that the limit never held for it. In the dark, where other names and
    other light cannot be told apart.
    """
    place = made(tmp_path, shift=1)
    place.pass_by(dark_pictures, (State.PROBATION,), labels=20)
    assert place.agent.core.memory.state is State.WATCHING
    assert place.agent.core.answering.version == 0
    assert place.right(old_pictures, 0) == 64
    refused = place.judged()[-1]
    assert refused.what == Event.NO_BETTER
    assert "points of what it knew, and 5 are allowed" in refused.says
    assert len([entry for entry in place.judged() if "with labels" in entry.says and "without" not in entry.says]) == 1
    assert place.agent.core.waits_for is not None
    place.agent.close()


@pytest.mark.long
def test_other_names_for_the_same_are_no_loss(tmp_path: Path) -> None:
    """Labels of kept images are wrong then: to lose them is what was to be learned, and the agent says so."""
    place = made(tmp_path, shift=1, ask={"every_days": 20 / 86_400, "images": 8})
    place.pass_by(old_pictures, (State.PROBATION,))
    assert place.agent.core.memory.state is State.PROBATION, journal(place.agent)
    assert place.right(old_pictures, 1) == 64
    taken = place.judged()[-1]
    assert "labels mean something else" in taken.figures["how"]
    assert "what it forgets of them does not count" in taken.says
    assert (taken.figures["source before"], taken.figures["source after"]) == (1.0, 0.0)
    place.agent.close()
