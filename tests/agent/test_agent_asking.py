"""What people are asked, and until when: whatever they say, and if they say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.agent_stage import Stage, wrong
from support.agents import configured
from support.bundles import compiled
from tbft_agent.adapting.lesson import HeldBackError
from tbft_agent.states import State


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_labels_are_asked_for_where_images_alone_do_not_help(stage: Stage) -> None:
    stage.drift()
    stage.outcomes = [lambda _: HeldBackError("nothing to gain"), stage.better()]
    assert stage.tick(3) is State.ASKING
    stage.tick()
    assert stage.answer(wrong) == 8
    assert stage.tick(2) is State.ADAPTING
    assert stage.pupil.lessons[-1].means == "with labels"
    assert stage.tick(2) is State.PROBATION


def test_what_shows_none_of_the_classes_is_asked_no_more(stage: Stage) -> None:
    """Twenty hands before the lens: it waited for ever, with nothing left that anybody could label."""
    stage.drift(60)
    stage.outcomes = [lambda _: HeldBackError("nothing to gain"), stage.better()]
    stage.tick(4)
    first = {kept.digest for kept in stage.agent.core.store.asked()}
    assert stage.answer(lambda _: "") == 8
    stage.tick(70)
    second = {kept.digest for kept in stage.agent.core.store.asked()}
    assert len(second) == 8
    assert first & second == set()
    stage.answer(wrong)
    assert stage.tick(4) is State.PROBATION
    assert not {kept.digest for kept in stage.pupil.lessons[-1].labelled} & first


def test_images_that_are_gone_are_asked_no_more(stage: Stage) -> None:
    stage.drift(60)
    stage.outcomes = [lambda _: HeldBackError("nothing to gain")]
    stage.tick(4)
    for kept in stage.agent.core.store.asked():
        stage.agent.core.store.remove(kept.digest)
    stage.tick(70)
    assert len(stage.agent.core.store.asked()) == 8


def test_nobody_who_answers_does_not_keep_it_for_ever(stage: Stage) -> None:
    stage.drift(60)
    stage.outcomes = [lambda _: HeldBackError("nothing to gain")]
    assert stage.tick(4) is State.ASKING
    assert stage.tick(1, stage.agent.core.settings.keep.days * 24 * 3600 + 1) is State.WATCHING


def test_a_restart_while_asking_asks_again(stage: Stage) -> None:
    """What was to be asked was still being chosen when it was killed: nobody was ever asked."""
    stage.drift(60)
    stage.outcomes = [lambda _: HeldBackError("nothing to gain")]
    stage.tick(3)
    core = stage.agent.core
    core.asked_at = None
    stage.pupil.stop()
    assert core.store.asked() == []
    stage.tick(2)
    assert len(core.store.asked()) == 8


def test_labels_of_a_class_that_the_model_does_not_have_are_learned(stage: Stage) -> None:
    stage.drift(60)
    stage.outcomes = [lambda _: HeldBackError("nothing to gain"), lambda _: HeldBackError("not now")]
    stage.tick(4)
    stage.answer(lambda _: "wasp")
    stage.tick(2)
    lesson = stage.pupil.lessons[-1]
    assert lesson.new_classes == ["wasp"]
    assert {kept.label for kept in lesson.labelled} == {"wasp"}
    assert stage.tick(2) is State.WATCHING


def test_what_was_held_out_is_never_trained_on(stage: Stage) -> None:
    stage.drift(60)
    stage.outcomes = [lambda _: HeldBackError("nothing to gain"), stage.better()]
    stage.tick(4)
    stage.answer(wrong)
    stage.tick(2)
    lesson = stage.pupil.lessons[-1]
    assert lesson.labelled or lesson.proving
    assert not any(kept.held_out for kept in lesson.labelled)
    assert all(kept.held_out for kept in lesson.proving)


def test_too_few_labels_to_tell_ask_for_more(stage: Stage) -> None:
    """And the same candidate is held against them: nothing is trained twice."""
    stage.agent.core.configured = configured(
        stage.agent.core.place.folder.parent, compiled("kept"), adapt={"unverified": False}
    )
    stage.drift(60)
    assert stage.tick() is State.ASKING
    stage.tick()
    stage.answer(wrong)
    stage.outcomes = [stage.better(3, 0), stage.better()]
    stage.tick(3)
    assert stage.tick() is State.ASKING
    stage.tick()
    assert stage.agent.core.undecided is not None
    assert stage.answer(wrong) == 8
    assert stage.tick(4) is State.PROBATION
