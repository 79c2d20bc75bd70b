"""What people are asked, and until when: whatever they say, and if they say nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from support.agent_stage import Stage, wrong
from support.agents import METERED, configured, old_pictures, show
from support.bundles import compiled
from tbft_agent.adapting import lesson as lesson_module
from tbft_agent.adapting.child import Commands
from tbft_agent.adapting.lesson import HeldBackError
from tbft_agent.states import State
from tbft_artifacts.errors import TbftError


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_labels_are_asked_for_where_images_alone_do_not_help(stage: Stage) -> None:
    stage.drift()
    stage.outcomes = [lambda _: HeldBackError("nothing to gain", METERED), stage.better()]
    assert stage.tick(3) is State.ASKING
    stage.tick()
    assert stage.answer(wrong) == 8
    assert stage.tick(2) is State.ADAPTING
    assert stage.pupil.lessons[-1].means == "with labels"
    assert stage.tick(2) is State.PROBATION


def test_what_shows_none_of_the_classes_is_asked_no_more(stage: Stage) -> None:
    """Twenty hands before the lens: it waited for ever, with nothing left that anybody could label."""
    stage.drift(60)
    stage.outcomes = [lambda _: HeldBackError("nothing to gain", METERED), stage.better()]
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
    stage.outcomes = [lambda _: HeldBackError("nothing to gain", METERED)]
    stage.tick(4)
    for kept in stage.agent.core.store.asked():
        stage.agent.core.store.remove(kept.digest)
    stage.tick(70)
    assert len(stage.agent.core.store.asked()) == 8


def test_nobody_who_answers_does_not_keep_it_for_ever(stage: Stage) -> None:
    stage.drift(60)
    stage.outcomes = [lambda _: HeldBackError("nothing to gain", METERED)]
    assert stage.tick(4) is State.ASKING
    assert stage.tick(1, stage.agent.core.settings.keep.days * 24 * 3600 + 1) is State.WATCHING


def test_a_restart_while_asking_asks_again(stage: Stage) -> None:
    """What was to be asked was still being chosen when it was killed: nobody was ever asked."""
    stage.drift(60)
    stage.outcomes = [lambda _: HeldBackError("nothing to gain", METERED)]
    stage.tick(3)
    core = stage.agent.core
    core.asked_at = None
    stage.pupil.stop()
    assert core.store.asked() == []
    stage.tick(2)
    assert len(core.store.asked()) == 8


def test_labels_of_a_class_that_the_model_does_not_have_are_learned(stage: Stage) -> None:
    stage.drift(60)
    stage.outcomes = [lambda _: HeldBackError("nothing to gain", METERED), lambda _: HeldBackError("not now", METERED)]
    stage.tick(4)
    stage.answer(lambda _: "wasp")
    stage.tick(2)
    lesson = stage.pupil.lessons[-1]
    assert lesson.new_classes == ["wasp"]
    assert {kept.label for kept in lesson.labelled} == {"wasp"}
    assert stage.tick(2) is State.WATCHING


def test_what_was_held_out_is_never_trained_on(stage: Stage) -> None:
    stage.drift(60)
    stage.outcomes = [lambda _: HeldBackError("nothing to gain", METERED), stage.better()]
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


def test_corrections_that_nobody_asked_for_are_learned_from_and_prove_nothing(stage: Stage) -> None:
    """People correct what is wrong: whatever answers otherwise seemed better by twenty of these."""
    stage.drift(60)
    store = stage.agent.core.store
    for kept in store.recent(40):
        stage.agent.label(kept.digest, wrong(kept.answer))
    stage.agent.core.remember(needs_labels=True)
    lesson = stage.agent.core.lesson()
    assert len(lesson.labelled) == 40
    assert lesson.proving == []
    stage.agent.core.remember(needs_labels=False)
    assert stage.agent.core.lesson().proving == []

    asked = [kept.digest for kept in stage.agent.core.lesson().pool[:12]]
    store.ask(asked)
    stage.answer(lambda answer: answer)
    assert {kept.digest for kept in stage.agent.core.lesson().proving} == set(asked)
    # Somebody thinks again, when it is asked about no more.
    store.ask([])
    stage.agent.label(asked[0], wrong("ant"))
    assert {kept.digest for kept in stage.agent.core.lesson().proving} == set(asked)
    stage.agent.core.remember(needs_labels=True)
    lesson = stage.agent.core.lesson()
    assert {kept.digest for kept in lesson.proving} == {
        kept.digest for kept in store.where("held_out = 1") if kept.label
    }
    assert not {kept.digest for kept in lesson.labelled} & {kept.digest for kept in lesson.proving}


def test_what_was_found_wrong_proves_nothing_in_the_drift_that_it_began(stage: Stage) -> None:
    """Mistakes alone go along into it: on them another model wins."""
    show(stage.agent, old_pictures(16, 3))
    store = stage.agent.core.store
    store.ask([kept.digest for kept in store.recent(10)])
    stage.answer(wrong)
    assert stage.tick() is State.DRIFTED
    for needs_labels in (True, False):
        stage.agent.core.remember(needs_labels=needs_labels)
        assert stage.agent.core.lesson().proving == []
    assert len(stage.agent.core.labelled()) == 10


def test_images_are_asked_about_whatever_the_model_says_of_them(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that it is unsure of it answers wrongly: on them another model wins."""
    stage.drift(60)

    def fails(*_: object) -> bytes:
        raise TbftError("there is no plan that trains its head alone", "")

    monkeypatch.setattr(Commands, "run", fails)
    lesson = stage.agent.core.lesson()
    chosen = lesson_module.ask(lesson, 8, Commands())
    others = [msgspec.structs.replace(kept, confidence=1 - kept.confidence, answer="bee") for kept in lesson.pool]
    assert lesson_module.ask(replace(lesson, pool=others), 8, Commands()) == chosen
    assert len(set(chosen)) == 8
