"""What a device lives through: clocks that jump, disks that fill, heat, cameras that come and go, a second agent."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.agents import (
    TurnedClock,
    configured,
    dark_pictures,
    journal,
    old_pictures,
    show,
    started,
)
from support.bundles import compiled
from support.fake_meters import write_tree
from tbft_agent.agent import Agent
from tbft_agent.place import Place
from tbft_agent.round import Round
from tbft_agent.settings import Camera
from tbft_agent.states import State
from tbft_artifacts.errors import TbftError
from tbft_runtime.board.access import Board

YEAR = timedelta(days=365)


def drifted(agent: Agent) -> None:
    show(agent, dark_pictures(16, 1))
    agent.tick()
    assert agent.core.memory.state is State.DRIFTED
    show(agent, dark_pictures(40, 2))


@pytest.mark.parametrize("jump", [YEAR, -YEAR, -60 * YEAR])
def test_a_clock_that_jumps_changes_nothing(tmp_path: Path, jump: timedelta) -> None:
    """A board without a battery for its clock is in 1970 until the network comes: no image is too old, none too new."""
    clock = TurnedClock()
    agent = started(configured(tmp_path, compiled("kept")), clock)
    show(agent, old_pictures(8))
    age, latency = agent.core.age.seconds(), agent.core.answering.latency()
    clock.wall += jump
    agent.tick()
    show(agent, old_pictures(8, 3))
    agent.tick()
    assert agent.core.store.count == 16
    assert agent.core.memory.state is State.WATCHING
    assert agent.core.age.seconds() == age
    assert agent.core.answering.latency().p50 == latency.p50
    agent.close()
    again = started(configured(tmp_path, compiled("kept")), TurnedClock(seconds=5, wall=clock.wall - 2 * jump))
    assert again.core.store.count == 16
    assert again.core.age.seconds() == age


def board_of(folder: Path, throttled: str = "0x0", **files: str) -> Board:
    tree = {"sys/class/thermal/thermal_zone0/type": "cpu-thermal\n", "sys/class/thermal/thermal_zone0/temp": "50000\n"}
    write_tree(folder, {**tree, **files})
    return Board(folder, lambda command: f"throttled={throttled}" if "vcgencmd" in command else None)


@pytest.mark.parametrize(
    ("throttled", "files", "words"),
    [
        ("0x0", {"sys/class/thermal/thermal_zone0/temp": "81000\n"}, "81 °C"),
        ("0x4", {}, "slowed down"),
        ("0x0", {"proc/meminfo": "MemTotal: 1000000 kB\nMemAvailable: 90000 kB\n"}, "of memory are free"),
    ],
)
def test_a_board_in_need_does_not_train_and_answers_on(
    tmp_path: Path, throttled: str, files: dict[str, str], words: str
) -> None:
    board = board_of(tmp_path / "root", throttled, **files)
    agent = started(configured(tmp_path, compiled("kept")), TurnedClock(), board)
    drifted(agent)
    agent.tick()
    assert agent.core.memory.state is State.DRIFTED
    assert agent.core.waits_for is not None
    assert words in agent.core.waits_for
    show(agent, dark_pictures(1))


def test_waiting_asks_the_board_now_and_then_and_without_the_lock(tmp_path: Path) -> None:
    """Each second a command was started while answers waited for it."""
    asked = list[bool]()
    board = board_of(tmp_path / "root", "0x4")

    def run(command: Sequence[str]) -> str | None:
        asked.append(agent.core.lock._is_owned())  # type: ignore[attr-defined]
        return board.run(command)

    agent = started(configured(tmp_path, compiled("kept")), TurnedClock(), Board(board.root, board.run))
    agent.core.permission.board._board = Board(board.root, run)
    drifted(agent)
    for _ in range(20):
        agent.core.clock.turn(1)  # type: ignore[attr-defined]
        agent.tick()
    assert agent.core.waits_for is not None
    assert 4 <= len(asked) <= 5
    assert not any(asked)


def test_a_disk_that_is_full_waits_with_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training failed, and people were asked for labels, since the disk was full."""
    agent = started(configured(tmp_path, compiled("kept")))
    drifted(agent)
    monkeypatch.setattr(Place, "free_bytes", property(lambda _: 1_000_000))
    agent.tick()
    assert agent.core.memory.state is State.DRIFTED
    assert agent.core.waits_for is not None
    assert "1 MB of the disk are free" in agent.core.waits_for


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A disk of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0 or os.system(f"mount -t tmpfs -o size=2m tmpfs {place} 2>/dev/null") != 0:
        pytest.skip("mounting a disk takes root")
    yield place
    os.system(f"umount -l {place}")


def fill(path: Path) -> None:
    """Until there is not a byte left."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while os.write(descriptor, bytes(4096)):
            pass
    os.close(descriptor)


def test_a_disk_that_is_really_full_at_any_moment(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers, says it once, starts again on the full disk, and keeps images when there is room."""
    # What is left for others is more than this disk has.
    monkeypatch.setattr("tbft_agent.keeping.store.LEAST_FREE", -1)
    found = configured(small_disk, compiled("kept"))
    with Place(found.state).taken():
        agent = started(found)
        rounds = Round(agent)
        show(agent, old_pictures(2))
        fill(small_disk / "filler")
        for _ in range(5):
            show(agent, old_pictures(3, 5))
            rounds.once()
            agent.core.save()
        agent.pause(True)
        agent.close()
        again = started(found)
        show(again, old_pictures(3, 6))
        Round(again).once()
        assert again.core.answering.answered == 3
        assert len([line for line in journal(again) if line.startswith("trouble")]) <= 2
        again.close()
        (small_disk / "filler").unlink()
        third = started(found)
        show(third, old_pictures(4, 7))
        assert third.core.store.count >= 4
        third.close()


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_only(*_: Any, **__: Any) -> Any:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.parametrize("fault", [full, read_only])
def test_a_card_that_takes_no_more_writes_answers_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    """What worn cards do: they turn read-only, and each write is an error."""
    agent = started(configured(tmp_path, compiled("kept")))
    rounds = Round(agent)
    monkeypatch.setattr("tbft_artifacts.atomic.new_file", fault)
    show(agent, old_pictures(16))
    for _ in range(3):
        agent.core.clock.turn(61)  # type: ignore[attr-defined]
        rounds.once()
    agent.pause(True)
    drifted(agent)
    assert agent.core.answering.answered == 72
    agent.close()


def rounds_of(tmp_path: Path, **camera: Any) -> tuple[Round, Path, TurnedClock]:
    """An agent whose camera's folder is there, and empty."""
    folder = tmp_path / "camera"
    folder.mkdir()
    clock = TurnedClock()
    found = configured(tmp_path, compiled("kept"), camera={"folder": "camera", **camera})
    assert isinstance(found.settings.camera, Camera)
    return Round(started(found, clock)), folder, clock


def look(rounds: Round, clock: TurnedClock, times: int = 2) -> int:
    """So often; how many images were answered."""
    before = rounds.agent.core.answering.answered
    for _ in range(times):
        clock.turn(1)
        rounds.once()
    return rounds.agent.core.answering.answered - before


def test_a_camera_folder_that_is_gone_stops_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was decided any more as long as it was gone."""
    rounds, folder, clock = rounds_of(tmp_path)
    ticks = list[int]()
    monkeypatch.setattr(rounds.agent, "tick", lambda: ticks.append(1))
    shutil.rmtree(folder)
    assert look(rounds, clock, 5) == 0
    assert len(ticks) == 5
    assert sum(line.startswith("trouble") for line in journal(rounds.agent)) == 1
    folder.mkdir()
    (folder / "a.png").write_bytes(old_pictures(1)[0])
    assert look(rounds, clock) == 1


def test_a_half_written_picture_is_answered_when_it_is_whole_or_skipped(tmp_path: Path) -> None:
    rounds, folder, clock = rounds_of(tmp_path, after="delete")
    content = old_pictures(1)[0]
    (folder / "a.png").write_bytes(content[:40])
    (folder / "never.png").write_bytes(content[:50])
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"no picture")
    assert look(rounds, clock, 5) == 0
    (folder / "a.png").write_bytes(content)
    assert look(rounds, clock) == 1
    assert look(rounds, clock, 40) == 0
    assert sum(line.startswith("skipped") for line in journal(rounds.agent)) == 2
    assert {path.name for path in folder.iterdir()} == {os.fsdecode(b"caf\xe9.png"), "never.png"}


def test_a_picture_that_the_model_failed_on_is_answered_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model before may answer it; a camera that deletes what was answered would have lost it, and so would one that
    keeps all, which are each told once."""
    rounds, folder, clock = rounds_of(tmp_path, after="delete")
    (folder / "a.png").write_bytes(old_pictures(1)[0])

    def fails(*_: object) -> None:
        raise TbftError("answers are no numbers", "roll back")

    with monkeypatch.context() as patched:
        patched.setattr(type(rounds.agent.core.answering.served), "look", fails)
        assert look(rounds, clock, 4) == 0
        assert rounds.agent.core.answering.silent == 3
        assert (folder / "a.png").exists()
    assert sum("answers are no numbers" in line for line in journal(rounds.agent)) == 1
    assert look(rounds, clock, 2) == 1
    assert not (folder / "a.png").exists()


def test_a_burst_is_answered_in_turns(tmp_path: Path) -> None:
    """While ten thousand pictures wait people and decisions do not."""
    rounds, folder, clock = rounds_of(tmp_path)
    for number, content in enumerate(old_pictures(300)):
        (folder / f"{number:05}.png").write_bytes(content)
    assert look(rounds, clock, 2) == 64
    assert look(rounds, clock, 4) == 236


def test_two_agents_do_not_have_one_folder(tmp_path: Path) -> None:
    place = Place(tmp_path / "state")
    with place.taken():
        with pytest.raises(TbftError, match="another agent has the folder"), Place(tmp_path / "state").taken():
            raise AssertionError
        assert place.work.is_dir()
    with place.taken():
        pass


def test_nothing_asks_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board in a forest has none: a drift, and a training, need no name and no address."""
    import socket

    def refused(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    agent = started(configured(tmp_path, compiled("kept")))
    drifted(agent)
    agent.tick()
    assert agent.core.memory.state is State.ADAPTING
    agent.close()
