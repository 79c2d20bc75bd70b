"""A model that no label verified: it says so, asks until labels decide, and goes back if they speak against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.agent_life import Life
from support.agent_stage import Stage, wrong
from support.agents import (
    TurnedClock,
    answered,
    journal,
    new_pictures,
    old_pictures,
    proof_of,
    show,
    started,
    until,
)
from tbft_agent.adapting.energy import Metered
from tbft_agent.adapting.lesson import Candidate, Lesson, prove
from tbft_agent.memory import Trial
from tbft_agent.states import State
from tbft_agent.versions import BUNDLE
from tbft_agent.web.status import status_of
from tbft_artifacts.errors import TbftError
from tbft_edge.tables.agent import status_lines


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Version 1 answers, learned without labels; nobody said anything of it."""
    stage = Stage(tmp_path, adapt={"unverified": True}, ask={"every_days": 0, "images": 8}, probation={"images": 500})
    stage.drift()
    stage.outcomes = [stage.better(0)]
    assert stage.tick(3) is State.PROBATION
    assert stage.agent.core.answering.version == 1
    return stage


def asked(stage: Stage, seed: int = 3) -> int:
    """How many images it asks about, once it saw enough of them."""
    show(stage.agent, old_pictures(40, seed))
    stage.tick(3, 61)
    return len([kept for kept in stage.agent.core.store.asked() if kept.label is None])


def right(answer: str) -> str:
    return answer


def passed(stage: Stage) -> None:
    """Probation ends: it is as sure as it was."""
    trial = stage.agent.core.memory.trial
    stage.agent.core.remember(trial=type(trial)(images=500, confidence=500.0, promised=0.9))
    assert stage.tick() is State.WATCHING


def test_it_asks_on_probation_and_says_that_it_is_not_verified(stage: Stage) -> None:
    assert asked(stage) == 8
    lines = list(status_lines(status_of(stage.agent.core), "http://x", None))
    assert any("not verified" in line for line in lines)
    assert any("label what the page asks about" in line for line in lines)
    # Nobody answers, and nobody is asked about others.
    first = stage.agent.core.store.asked()
    stage.tick(5, 61)
    assert stage.agent.core.store.asked() == first
    passed(stage)
    assert "no label verified it yet" in journal(stage.agent)[-1]


def test_labels_verify_it_and_it_asks_no_more(stage: Stage) -> None:
    asked(stage)
    stage.answer(right)
    stage.tick()
    (lesson,) = stage.pupil.compares
    assert (lesson.run, len(lesson.proving), list(lesson.labelled)) == (None, 8, [])
    stage.pupil.comparison = proof_of(6, 0, 2)
    stage.tick()
    version = stage.agent.core.versions.get(1)
    assert version is not None
    assert version.verified
    judged = status_of(stage.agent.core).judged
    assert judged is not None
    assert (judged.what, judged.verified, judged.right_before, judged.right_after) == ("verified", True, 2, 8)
    assert asked(stage, 4) == 0


@pytest.mark.parametrize("state", [State.PROBATION, State.WATCHING])
def test_labels_that_speak_against_it_take_it_back(stage: Stage, state: State) -> None:
    """It was as sure as before, and wrong; it passed, and answered until somebody noticed."""
    asked(stage)
    if state is State.WATCHING:
        passed(stage)
    stage.answer(right)
    stage.tick()
    assert stage.state is state
    stage.pupil.comparison = proof_of(0, 5, 3)
    assert stage.tick() is State.WATCHING
    core = stage.agent.core
    assert core.answering.version == core.versions.current == BUNDLE
    assert core.memory.rests_until > core.age.seconds()
    assert any("no label had verified version 1, and it is right on 3 of 8" in line for line in journal(stage.agent))


@pytest.mark.parametrize("is_worse", [True, False])
def test_answers_that_are_wrong_are_those_of_the_model_before_or_of_another_world(stage: Stage, is_worse: bool) -> None:
    """It trained on from a model that was worse than the one before, which was at hand."""
    asked(stage)
    passed(stage)
    stage.answer(wrong)
    assert stage.tick(2) is State.WATCHING
    stage.pupil.comparison = proof_of(0, 6, 2) if is_worse else proof_of(0, 0, 0)
    assert stage.tick() is (State.WATCHING if is_worse else State.DRIFTED)
    assert stage.agent.core.answering.version == (BUNDLE if is_worse else 1)


def test_labels_that_decide_nothing_are_followed_by_more(stage: Stage) -> None:
    asked(stage)
    first = {kept.digest for kept in stage.agent.core.store.asked()}
    stage.answer(right)
    stage.tick()
    stage.pupil.comparison = proof_of(2, 1, 5)
    assert asked(stage, 4) == 8
    assert not first & {kept.digest for kept in stage.agent.core.store.asked()}
    stage.answer(right)
    stage.tick()
    assert [len(lesson.proving) for lesson in stage.pupil.compares] == [8, 16]


def test_what_cannot_be_compared_is_tried_again_with_more_labels(stage: Stage) -> None:
    """And not every second."""
    asked(stage)
    stage.answer(right)
    stage.tick()
    stage.pupil.comparison = TbftError("memory was short", "")
    assert asked(stage, 4) == 8
    assert len(stage.pupil.compares) == 1
    assert any("cannot be held against another" in line for line in journal(stage.agent))


def test_who_chose_it_is_not_asked_and_keeps_it(stage: Stage) -> None:
    asked(stage)
    assert stage.agent.accept() == 1
    stage.answer(right)
    stage.tick(3, 61)
    assert stage.pupil.compares == []
    # Not so another one, which may have its number one day.
    stage.agent.roll_back()
    assert stage.agent.core.memory.chosen == 0


def test_the_test_is_that_of_the_proof(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way round, too, and by the answers of both models."""
    lesson = stage.agent.core.lesson()
    show(stage.agent, old_pictures(8, 9))
    stage.agent.core.store.ask([kept.digest for kept in stage.agent.core.store.recent(8)])
    stage.answer(right)
    proving = stage.agent.core.labelled()

    def answers(_: Lesson, model: Path, *__: object) -> dict[str, str]:
        is_new = model == Path("new")
        return {
            kept.digest: "none" if is_new and number < 5 else kept.label or "" for number, kept in enumerate(proving)
        }

    monkeypatch.setattr("tbft_agent.adapting.lesson._answers", answers)
    found = prove(replace(lesson, proving=proving), Candidate(Path("new"), "", Metered()), None)  # type: ignore[arg-type]
    assert (found.images, found.right_before, found.right_after) == (8, 8, 3)
    assert found.is_worse
    assert not found.is_better
    assert not proof_of(3, 4).is_worse
    assert not proof_of(0, 5).decides


def test_the_models_themselves_decide(life: Life, run_of_kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the real commands: whoever says what the bundle says is against a model that says otherwise."""
    # That it is far less often right than it is sure would be noticed before.
    monkeypatch.setattr("tbft_agent.deciding.are_wrong", lambda *_: False)
    life.begin().close()
    life.swap(run_of_kept, 1)
    clock = TurnedClock()
    agent = started(life.found, clock)
    bundle = agent.core.load(BUNDLE)
    assert agent.core.memory.state is State.PROBATION

    def people_answer() -> bool:
        for kept in agent.core.store.asked():
            if kept.label is None:
                agent.label(kept.digest, answered(bundle, agent.core.store.path(kept).read_bytes()))
        return agent.core.answering.version == BUNDLE

    show(agent, new_pictures(40, 3))
    agent.core.remember(trial=Trial())
    until(people_answer, agent, clock)
    assert any("no label had verified version 1" in line for line in journal(agent))
    agent.close()
