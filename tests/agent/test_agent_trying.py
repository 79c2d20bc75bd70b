"""What came to nothing is not done over and over: it takes news, or ever more time, and people are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.agent_stage import Stage, wrong
from support.agents import METERED, dark_pictures, journal, old_pictures, proven, show
from tbft_agent.adapting.child import BoardError
from tbft_agent.adapting.lesson import HeldBackError
from tbft_agent.states import Event, State
from tbft_agent.trying import LONGEST, NOTHING_TRIED, Tried, Why, why_not
from tbft_agent.web.status import status_of
from tbft_artifacts.errors import TbftError
from tbft_edge.tables.agent import status_lines
from tbft_runtime.going_back import Forgotten

DAY = 24 * 3600.0
REST = 36.0
# It is better by labels, and forgot a quarter of what it knew, of which no model in between forgot little enough.
FORGOT = Forgotten(images=20, before=1.0, trained=0.75, after=0.75)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """With the limit that an agent has by default."""
    return Stage(tmp_path, adapt={"most_forgotten": 5, "rest_hours": REST / 3600})


def once(why: Why, before: Tried = NOTHING_TRIED, labels: int = 8) -> Tried:
    return before.once_more(why, at=1000.0, labels=labels, episode=1, with_labels=True, answers=False)


@pytest.mark.parametrize("why", Why)
def test_the_time_doubles_up_to_sixteen_days(why: Why) -> None:
    tried, waits = NOTHING_TRIED, []
    for _ in range(30):
        tried = once(why, tried)
        waits.append(tried.until(REST) - 1000)
    first = REST if why is Why.BOARD else DAY
    assert waits[:3] == [first, 2 * first, 4 * first]
    assert waits[-1] == LONGEST
    assert waits == sorted(waits)


def test_a_longer_rest_is_kept() -> None:
    assert once(Why.NO_BETTER).until(3 * DAY) - 1000 == 3 * DAY


def test_another_drift_is_no_repetition() -> None:
    tried = once(Why.NO_BETTER, once(Why.NO_BETTER))
    assert tried.times == 2
    other = tried.once_more(Why.NO_BETTER, at=1.0, labels=8, episode=2, with_labels=True, answers=False)
    assert other.times == 1


@pytest.mark.parametrize(("why", "helps"), [(Why.NO_BETTER, True), (Why.FORGETS, True), (Why.FAILED, False)])
def test_new_labels_make_it_another_lesson_where_they_may_help(why: Why, helps: bool) -> None:
    def says(labels: int, age: float = 1000 + REST, tried: Tried = once(why)) -> str | None:  # noqa: B008
        return why_not(tried, age=age, labels=labels, wanted=10, rest=REST)

    assert says(17) is not None
    assert (says(18) is None) is helps
    # Not within the rest, which is for the board.
    assert says(18, age=1000 + REST - 1) is not None
    # The second time it takes twice as many.
    assert says(18, tried=once(why, once(why))) is not None
    assert (says(28, tried=once(why, once(why))) is None) is helps
    assert says(8, age=1000 + DAY) is None


def forgets(stage: Stage, after: Forgotten = FORGOT) -> None:
    """The drift is learned without labels, and with some: either forgets too much."""
    stage.drift(60)
    candidate = proven(stage.agent.core.answering.served, 8, 0, forgotten=after)
    stage.agent.core.remember(needs_labels=True)
    assert stage.tick(2) is State.ASKING
    stage.answer(wrong)
    stage.outcomes = [candidate]
    stage.tick(4)
    assert stage.state is State.WATCHING
    assert stage.outcomes == []


def test_a_candidate_that_forgets_too_much_is_not_made_again_and_again(stage: Stage) -> None:
    """It was made every 12 hours without end, and nobody told: the same images, labels and limit."""
    forgets(stage)
    lessons = len(stage.pupil.lessons)
    for _ in range(20):
        show(stage.agent, dark_pictures(8, 5))
        assert stage.tick(1, 1800) is State.WATCHING
    assert len(stage.pupil.lessons) == lessons
    (told,) = [line for line in journal(stage.agent) if line.startswith(Event.NO_BETTER)]
    assert "it forgets 25.0 points of what it knew, and 5 are allowed" in told
    assert "not tried again for 24 hours" in told
    show(stage.agent, dark_pictures(16, 6))
    assert stage.tick(1, DAY) is State.DRIFTED


def test_people_are_told_and_asked(stage: Stage) -> None:
    forgets(stage)
    stage.tick()
    status = status_of(stage.agent.core)
    assert status.stuck
    assert status.waits_for is not None
    assert "came to nothing once; it tries again with 8 more labels, or in 24.0 hours" in status.waits_for
    assert "a larger `most_forgotten`" in status.waits_for
    assert (status.labels_there, status.labels_wanted) == (8, 16)
    assert any("tries again with 8 more labels" in line for line in status_lines(status, "http://x", None))
    # As many other images as may help.
    stage.tick(2, 61)
    assert len([kept for kept in stage.agent.core.store.asked() if kept.label is None]) == 8


def test_new_labels_begin_it_anew_with_labels(stage: Stage) -> None:
    forgets(stage)
    stage.tick(3, 61)
    assert stage.answer(wrong) == 8
    show(stage.agent, dark_pictures(16, 6))
    stage.outcomes = [stage.better()]
    stage.tick(5)
    assert stage.state is State.PROBATION
    assert stage.pupil.lessons[-1].means == "with labels"
    assert stage.agent.core.memory.tried == NOTHING_TRIED
    assert not status_of(stage.agent.core).stuck


def test_somebody_who_wants_it_now_need_not_wait(stage: Stage) -> None:
    forgets(stage)
    assert stage.agent.adapt_now()
    assert stage.state is State.DRIFTED


def test_another_drift_is_learned_at_once(stage: Stage) -> None:
    forgets(stage)
    show(stage.agent, old_pictures(32, 6))
    stage.tick(1, 60)
    assert not status_of(stage.agent.core).stuck
    show(stage.agent, dark_pictures(16, 7))
    assert stage.tick() is State.DRIFTED


def test_answers_that_are_wrong_after_it_are_learned_at_once(stage: Stage) -> None:
    """They have nothing to do with the drift that nothing came of, which is gone."""
    forgets(stage)
    show(stage.agent, old_pictures(32, 6))
    stage.tick(1, 60)
    store = stage.agent.core.store
    store.ask([kept.digest for kept in store.where("episode = ?", stage.agent.core.memory.episode)])
    show(stage.agent, old_pictures(24, 7))
    stage.tick()
    store.ask([kept.digest for kept in store.recent(10)])
    stage.answer(wrong)
    assert stage.tick() is State.DRIFTED
    assert stage.agent.core.memory.cause == "answers"


def test_answers_that_were_wrong_and_stay_so_are_no_news(stage: Stage) -> None:
    """Each rest was followed by the same labels, learned from anew."""
    show(stage.agent, old_pictures(40, 3))
    store = stage.agent.core.store
    store.ask([kept.digest for kept in store.recent(10)])
    stage.answer(wrong)
    assert stage.tick() is State.DRIFTED
    show(stage.agent, old_pictures(40, 4))
    store.ask([kept.digest for kept in store.recent(10)])
    stage.answer(wrong)
    stage.outcomes = [proven(stage.agent.core.answering.served, 8, 0, forgotten=FORGOT)]
    stage.tick(4)
    assert stage.outcomes == []
    assert stage.tick(3, 3600) is State.WATCHING
    assert status_of(stage.agent.core).stuck
    assert stage.tick(1, DAY) is State.DRIFTED


def test_after_a_restart_it_is_still_known(stage: Stage, tmp_path: Path) -> None:
    forgets(stage)
    tried = stage.agent.core.memory.tried
    stage.agent.close()
    assert Stage(tmp_path).agent.core.memory.tried == tried


def test_a_day_later_what_has_no_new_labels_is_tried_without_them_alone(stage: Stage) -> None:
    """Images of a day may do what those before did not; of the same labels the same head is made."""
    forgets(stage)
    show(stage.agent, dark_pictures(60, 6))
    stage.outcomes = [stage.better(0, 0, 8)]
    stage.tick(1, DAY)
    stage.tick(4)
    assert stage.state is State.WATCHING
    assert stage.pupil.lessons[-1].means == "without labels"
    assert stage.agent.core.memory.tried.times == 2
    # Nor two days later, when its own guard holds it back.
    show(stage.agent, dark_pictures(60, 8))
    stage.outcomes = [lambda _: HeldBackError("answers are of too few classes", METERED)]
    stage.tick(1, 2 * DAY)
    stage.tick(4)
    assert stage.state is State.WATCHING
    assert [lesson.means for lesson in stage.pupil.lessons[-2:]] == ["without labels"] * 2
    tried = stage.agent.core.memory.tried
    assert (tried.why, tried.times, tried.labels, tried.with_labels) == (Why.FORGETS, 3, 8, True)


def test_what_fails_twice_is_not_the_labels_to_blame(stage: Stage) -> None:
    """Nobody is asked for labels because a command cannot run."""
    stage.drift()
    stage.agent.core.remember(needs_labels=True, asked=1)
    show(stage.agent, dark_pictures(4, 9))
    stage.agent.core.store.ask([kept.digest for kept in stage.agent.core.store.recent(1)])
    stage.answer(wrong)
    stage.outcomes = [lambda _: TbftError("the plan is gone", "")]
    stage.tick(2)
    stage.tick(3, 61)
    assert stage.state is State.WATCHING
    assert stage.pupil.chosen == []
    assert status_of(stage.agent.core).stuck


def test_a_board_that_was_short_of_memory_rests_twice_as_long_each_time(stage: Stage) -> None:
    stage.drift()
    for rest in (REST, 2 * REST):
        stage.outcomes = [lambda _: BoardError("memory was short", "")]
        stage.tick(2)
        assert stage.state is State.WATCHING
        show(stage.agent, dark_pictures(40, 4))
        assert stage.tick(1, rest - 2) is State.WATCHING
        assert stage.tick(2) is State.DRIFTED
