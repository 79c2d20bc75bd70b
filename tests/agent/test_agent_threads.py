"""Images, people and decisions at the same time: nothing waits for ever, and nothing is lost."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.agents import StandIn, TurnedClock, configured, copied, dark_pictures, journal, old_pictures, show, started
from support.bundles import compiled
from tbft_agent.adapting.lesson import Candidate, Lesson
from tbft_agent.agent import Agent
from tbft_agent.answering import BusyError
from tbft_agent.pupil import Pupil
from tbft_agent.states import State
from tbft_agent.versions import BUNDLE, Version
from tbft_agent.web.status import status_of
from tbft_artifacts.errors import TbftError

SECONDS = 20.0


class Slow(Pupil):
    """Trains until it is stopped."""

    def __init__(self, on_trained: Callable[[Candidate], None]) -> None:
        super().__init__(on_trained)
        self.began = threading.Event()
        self.ended = threading.Event()

    def learn(self, lesson: Lesson, known: Candidate | None = None) -> None:  # noqa: ARG002
        self._start(self._wait)

    def stop(self) -> None:
        self.ended.set()
        super().stop()

    def _wait(self) -> None:
        self.began.set()
        self.ended.wait(SECONDS)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return started(configured(tmp_path, compiled("kept")), TurnedClock())


def drifted(agent: Agent) -> None:
    show(agent, dark_pictures(16, 1))
    agent.tick()
    show(agent, dark_pictures(40, 2))


def test_going_back_ends_a_training_and_what_came_of_it(agent: Agent, run_of_kept: Path) -> None:
    core = agent.core
    core.versions.keep(copied(run_of_kept, core.place.work / "run"), Version(number=1, before=BUNDLE))
    core.versions.activate(1)
    core.take_over(core.load(1), 1)
    core.pupil = slow = Slow(core.pupil.on_trained)
    core.remember(state=State.DRIFTED, cause="told")
    show(agent, dark_pictures(40, 2))
    agent.tick()
    assert core.memory.state is State.ADAPTING
    assert slow.began.wait(SECONDS)
    assert agent.roll_back() == BUNDLE
    assert not slow.is_busy
    assert core.memory.state is State.WATCHING
    agent.tick()
    assert core.memory.state is State.WATCHING
    version = core.versions.get(1)
    assert version is not None
    assert version.failed == "somebody wants the model before"


def test_a_training_that_begins_while_going_back_is_ended_too(agent: Agent) -> None:
    """Between the end of one and the lock, a decision began the next, whose folder was then removed under it."""
    core = agent.core
    drifted(agent)
    slow = Slow(core.pupil.on_trained)
    core.pupil = slow
    real, first = slow.stop, threading.Event()

    def stop_and_let_others() -> None:
        real()
        if not first.is_set():
            first.set()
            slow.ended.clear()
            agent.tick()
            assert slow.began.wait(SECONDS)
            assert slow.is_busy

    slow.stop = stop_and_let_others  # type: ignore[method-assign]
    agent.roll_back()
    assert not slow.is_busy
    assert core.memory.state is State.WATCHING


def test_stopping_what_is_just_being_started_is_no_error(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody went back at that moment: a thread that is not started yet cannot be waited for."""
    pupil, real = agent.core.pupil, threading.Thread.start

    def stopped_before(thread: threading.Thread) -> None:
        pupil.stop()
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", stopped_before)
    pupil._start(lambda: None)
    pupil.stop()
    assert not pupil.is_busy


def test_numbers_that_nobody_can_judge_are_learned_anew(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image was answered with an error of numpy, and the card was read-only, too."""

    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(type(agent.core.watch), "add", breaks)
        show(agent, old_pictures(2))
    assert agent.core.answering.answered == 2
    show(agent, old_pictures(8))
    assert len(agent.core.watch.windows) == 1


def test_what_came_of_something_earlier_is_of_no_lesson_now(agent: Agent) -> None:
    """A result that nobody took was judged as that of a training that was stopped."""
    pupil = agent.core.pupil
    pupil._result = TbftError("stale", "")
    pupil._start(lambda: None)
    while pupil.is_busy:
        time.sleep(0.001)
    assert pupil.result() is None


def test_an_error_that_nobody_foresaw_is_said(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("tbft_agent.pupil.take", breaks)
    drifted(agent)
    agent.tick()
    while agent.core.pupil.is_busy:
        time.sleep(0.001)
    agent.tick()
    assert agent.core.memory.state is State.WATCHING
    assert any("MemoryError" in line for line in journal(agent))


def test_everybody_at_once(agent: Agent) -> None:
    """Locks are taken in one order: a deadlock would be seen here, and counts that two threads share."""
    core = agent.core
    core.pupil = StandIn(iter(lambda: lambda _: None, 0), core.pupil.on_trained)  # type: ignore[assignment]
    end, troubles, answered = time.monotonic() + 2.0, list[Exception](), list[int]()
    pictures = old_pictures(200) + dark_pictures(200)

    def again(work: Callable[[int], object]) -> Callable[[], None]:
        def run() -> None:
            number = 0
            while time.monotonic() < end:
                number += 1
                try:
                    work(number)
                except BusyError:
                    continue
                except Exception as error:
                    troubles.append(error)

        return run

    def predict(number: int) -> None:
        core.answering.answer(pictures[number % len(pictures)])
        answered.append(1)

    def tick(_: int) -> None:
        core.clock.turn(1)  # type: ignore[attr-defined]
        agent.tick()

    def say(_: int) -> None:
        for kept in core.store.recent(3):
            agent.label(kept.digest, "ant")

    def go_back(number: int) -> None:
        if number % 20 == 0:
            with contextlib.suppress(TbftError):  # Where nothing came before.
                agent.roll_back()

    jobs = [*[again(predict)] * 3, again(tick), again(say), again(lambda _: status_of(core))]
    jobs += [again(lambda _: agent.pause(False)), again(lambda n: n % 50 or agent.purge())]
    jobs += [again(go_back), again(lambda _: agent.adapt_now())]
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    assert troubles == []
    assert core.answering.answered == len(answered) > 0


def test_who_answers_after_the_end_gets_an_answer(agent: Agent) -> None:
    """A request that was under way when the agent was told to end."""
    agent.close()
    show(agent, old_pictures(1))


def test_ending_twice_or_with_a_full_disk_is_no_error(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("tbft_agent.core.write_memory", full)
    agent.close()
