"""What people say is learned by the real commands, in processes of their own: other labels, and a class that is new."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.agents import (
    TurnedClock,
    configured,
    dark_pictures,
    journal,
    new_pictures,
    old_pictures,
    show,
    started,
    until,
)
from support.bundles import CLASSES, compiled
from tbft_agent.agent import Agent
from tbft_agent.states import State

DONE = (State.WATCHING, State.PROBATION, State.ASKING)


def labelled(agent: Agent, pictures: list[bytes], labels: list[str]) -> None:
    """Somebody is asked what each of them shows, and says so."""
    show(agent, pictures)
    shown = agent.core.store.recent(len(pictures))[::-1]
    agent.core.store.ask([kept.digest for kept in shown])
    for kept, label in zip(shown, labels, strict=True):
        agent.label(kept.digest, label)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


def test_a_new_class_among_known_ones_is_learned_and_answered(tmp_path: Path, clock: TurnedClock) -> None:
    """Both kinds of labels lie in one folder for `learn --add-class`; the old model knows no such name."""
    agent = started(configured(tmp_path, compiled("kept"), adapt={"labels": 40}), clock)
    known, other = old_pictures(40, 3), new_pictures(160, 4)[::4]
    order = [content for pair in zip(known, other, strict=True) for content in pair]
    for content in order:
        clock.turn(1)
        number = order.index(content)
        labelled(agent, [content], [CLASSES[number // 2 % 4] if number % 2 == 0 else "wasp"])
    agent.adapt_now()
    agent.core.remember(needs_labels=True)
    until(lambda: agent.core.memory.state in DONE, agent, clock)
    assert agent.core.memory.state is State.PROBATION, journal(agent)
    assert "wasp" in agent.core.answering.served.classes
    assert agent.core.answering.answer(new_pictures(200, 9)[100]).label == "wasp"
    # What was learned is gone on from: the next lesson begins with five classes.
    agent.core.remember(state=State.WATCHING)
    agent.close()
    again = started(configured(tmp_path, compiled("kept")), clock)
    assert "wasp" in again.core.answering.served.classes
    show(again, dark_pictures(40, 8))
    again.adapt_now()
    until(lambda: again.core.memory.state in DONE, again, clock)
    assert not [line for line in journal(again) if line.startswith("failed") and "came to nothing" not in line]
    again.close()


def test_labels_that_are_all_none_of_these_train_nothing(tmp_path: Path, clock: TurnedClock) -> None:
    agent = started(configured(tmp_path, compiled("kept")), clock)
    labelled(agent, old_pictures(40, 3), [""] * 40)
    agent.tick()
    assert agent.core.memory.state is State.WATCHING
    assert agent.core.labelled() == agent.core.lesson().labelled == []


def test_labels_of_images_that_are_gone_are_told_to_nobody(tmp_path: Path, clock: TurnedClock) -> None:
    agent = started(configured(tmp_path, compiled("kept")), clock)
    show(agent, old_pictures(1))
    (kept,) = agent.core.store.where("1")
    agent.core.store.remove(kept.digest)
    assert agent.label(kept.digest, "ant") is None
    assert agent.label("no digest", "ant") is None


def test_images_that_vanish_while_it_trains_are_left_out(tmp_path: Path, clock: TurnedClock) -> None:
    """They are too old, or the budget is reached, in the middle of a training."""
    agent = started(configured(tmp_path, compiled("kept")), clock)
    show(agent, dark_pictures(16, 1))
    agent.tick()
    show(agent, dark_pictures(48, 2))
    agent.tick()
    assert agent.core.memory.state is State.ADAPTING
    for kept in agent.core.store.where("1")[::2]:
        agent.core.store.remove(kept.digest)
    until(lambda: agent.core.memory.state in (*DONE, State.DRIFTED), agent, clock)
    assert not any("Traceback" in line for line in journal(agent))
    agent.close()
