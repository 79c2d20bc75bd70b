"""Starting anew: in every state, after a crash at the worst moment, with damaged files, and with another bundle."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from support.agent_life import Life
from support.agents import (
    journal,
    old_pictures,
    show,
)
from support.damages import DAMAGES
from tbft_agent.agent import CRASHES, HEALTHY_SECONDS
from tbft_agent.states import State
from tbft_agent.versions import BUNDLE
from tbft_runtime.board.access import Board


@pytest.mark.parametrize("state", list(State))
def test_a_start_in_every_state_answers_and_goes_on(life: Life, state: State) -> None:
    """What went on in the background is begun anew; everything else is as it was."""
    agent = life.begin()
    agent.close()
    life.remember(msgspec.structs.replace(life.memory, state=state, cause="told", asked=3))
    agent = life.begin()
    assert agent.core.memory.state is (State.DRIFTED if state in (State.ADAPTING, State.PROVING) else state)
    show(agent, old_pictures(4))
    agent.tick()
    agent.close()
    assert life.memory.state is agent.core.memory.state


def test_trainings_that_end_the_board_are_not_begun_for_ever(life: Life) -> None:
    """One that takes more current than the supply has: the board starts, trains, and starts again."""
    life.begin().close()
    for number in range(CRASHES):
        life.remember(msgspec.structs.replace(life.memory, state=State.ADAPTING))
        agent = life.crash()
        assert agent.core.memory.state is (State.WATCHING if number == CRASHES - 1 else State.DRIFTED)
    assert agent.core.memory.rests_until > agent.core.age.seconds()
    assert life.memory.cut == 0


def test_a_swap_that_was_not_written_down_is_on_probation(life: Life, run_of_kept: Path) -> None:
    """Killed between the rename and what is remembered: it answered on, as a drift that was never adapted to."""
    life.begin().close()
    life.remember(msgspec.structs.replace(life.memory, state=State.PROVING, cause="images", asked=4))
    life.swap(run_of_kept, 1, confidence=0.8)
    agent = life.begin()
    memory = agent.core.memory
    assert (memory.state, memory.version, memory.trial.promised) == (State.PROBATION, 1, 0.8)
    assert (memory.cause, memory.asked) == (None, 0)


def test_going_back_that_was_not_written_down_is_watched(swapped: Life) -> None:
    life = swapped
    life.remember(msgspec.structs.replace(life.memory, state=State.PROBATION))
    (life.found.state / "versions" / "current").write_text("0\n")
    agent = life.begin()
    assert (agent.core.memory.state, agent.core.memory.version) == (State.WATCHING, BUNDLE)
    assert agent.core.memory.rests_until > agent.core.age.seconds()


def test_a_loop_of_crashes_goes_back_a_version(swapped: Life) -> None:
    """The count is written before the model is loaded: loading it may be what ends the process."""
    for _ in range(CRASHES):
        assert swapped.crash().core.answering.version == 1
    agent = swapped.begin()
    assert agent.core.answering.version == BUNDLE
    assert any("it was started" in line for line in journal(agent))
    agent.core.store.close()
    assert swapped.begin().core.answering.version == BUNDLE


def test_a_model_whose_loading_ends_the_process_is_a_crash(swapped: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    import tbft_agent.core as module

    def dies(*_: object) -> None:
        raise KeyboardInterrupt  # As little as a SIGSEGV is it anything that is handled.

    with monkeypatch.context() as patched:
        patched.setattr(module, "serve", dies)
        for _ in range(CRASHES):
            with pytest.raises(KeyboardInterrupt):
                swapped.begin()
    assert swapped.begin().core.answering.version == BUNDLE


def test_pulled_plugs_are_no_crashes(swapped: Life, tmp_path: Path) -> None:
    """A device that is switched off by its plug after a minute threw a good model away at the fourth time."""
    boot = tmp_path / "root" / "proc" / "sys" / "kernel" / "random" / "boot_id"
    boot.parent.mkdir(parents=True)
    swapped.board = Board(tmp_path / "root", lambda _: None)
    for number in range(3 * CRASHES):
        boot.write_text(f"boot-{number}\n")
        assert swapped.crash().core.answering.version == 1


def test_who_lived_for_long_is_in_no_loop(swapped: Life) -> None:
    for _ in range(3 * CRASHES):
        agent = swapped.begin()
        agent.core.clock.turn(HEALTHY_SECONDS + 61)  # type: ignore[attr-defined]
        agent.tick()
        assert agent.core.answering.version == 1
        agent.core.store.close()


FILES = (
    *("memory.json", "versions/current", "versions/000001/version.json", "versions/000001/normal.npz"),
    *("versions/000001/run/run.json", "versions/000001/run/state.safetensors", "images/images.sqlite"),
    *("journal.jsonl", "versions/000000/normal.npz"),
)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", sorted(DAMAGES))
def test_whatever_file_is_damaged_it_answers(swapped: Life, name: str, how: str) -> None:
    """By that model or the one before, and without a word that only a programmer understands."""
    path = swapped.found.state / name
    if not path.exists():
        agent = swapped.begin()
        show(agent, old_pictures(64))
        assert agent.core.watch.normal is not None
        agent.core.store.purge()
        path.parent.mkdir(exist_ok=True)
        agent.core.watch.normal.write(path)
        agent.core.store.close()
    path.write_bytes(DAMAGES[how](path.read_bytes()))
    agent = swapped.begin()
    show(agent, old_pictures(16))
    agent.tick()
    assert agent.core.answering.answered == 16
    assert agent.core.answering.version in (BUNDLE, 1)
    assert agent.core.store.count == 16
    assert not [line for line in journal(agent) if line.startswith("trouble")]
    agent.close()
    again = swapped.begin()
    assert again.core.answering.version == agent.core.answering.version


@pytest.mark.parametrize("bit", range(0, 40_000, 4001))
def test_flipped_bits_of_a_model_are_noticed(swapped: Life, bit: int) -> None:
    """Weights that nobody trained must not answer: the version before does."""
    path = swapped.found.state / "versions" / "000001" / "run" / "state.safetensors"
    content = bytearray(path.read_bytes())
    content[(bit // 8) % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)
    agent = swapped.begin()
    assert agent.core.answering.version == BUNDLE
    assert agent.core.versions.current == BUNDLE
    assert any(line.startswith("failed: version 1") for line in journal(agent))


def test_memory_of_another_version_is_read_as_far_as_it_goes(life: Life) -> None:
    life.begin().close()
    path = life.found.state / "memory.json"
    path.write_bytes(path.read_bytes().replace(b"{", b'{"of_the_future":[1,{"a":2}],', 1))
    assert life.begin().core.memory.bundle == life.memory.bundle


def test_lost_memory_goes_on_behind_the_images(life: Life) -> None:
    """Its age began at nought again: images of before stayed for thirty days more, and were of now."""
    agent = life.begin()
    agent.core.clock.turn(5000)  # type: ignore[attr-defined]
    show(agent, old_pictures(3))
    episode = agent.core.memory.episode
    agent.close()
    (life.found.state / "memory.json").write_bytes(b"")
    agent = life.begin()
    assert agent.core.age.seconds() == pytest.approx(5000)
    assert agent.core.memory.episode == episode + 1
    assert agent.core.lesson().pool == []
    assert any(line.startswith("lost:") for line in journal(agent))
