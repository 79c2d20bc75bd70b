"""What somebody configured wrongly, or forgot, is said at the start and in the status, not in a night of next month."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.agent_stage import Stage
from support.agents import TurnedClock, configured, journal, old_pictures, started
from support.bundles import KEPT, compiled
from support.commands import Ended, refused
from tbft_agent.round import Round
from tbft_agent.service import _listening
from tbft_agent.settings import Http, read_settings
from tbft_agent.states import State
from tbft_agent.web.status import status_of
from tbft_artifacts.errors import TbftError
from tbft_edge.tables.agent import status_lines


def settings(folder: Path, words: str) -> Path:
    file = folder / "agent.toml"
    file.write_text(f'bundle = "bundle"\nstate = "state"\n{words}\n')
    return file


@pytest.mark.parametrize("meter", ["foo", "csv", "rapl:0", "line"])
def test_a_meter_that_there_is_not_is_refused_at_the_start(tmp_path: Path, meter: str) -> None:
    """As `train` refuses it: every training failed of it, and people were asked for labels since."""
    with pytest.raises(TbftError, match=r"`adapt\.meter`: ") as error:
        read_settings(settings(tmp_path, f'[adapt]\nmeter = "{meter}"'))
    assert "it takes auto, none" in error.value.hint


def test_a_meter_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    stage = Stage(tmp_path, adapt={"meter": "hwmon"})
    words = status_of(stage.agent.core).waits_for
    assert words is not None
    assert words.startswith("`adapt.meter` is not there, so nothing is trained: ")
    stage.drift()
    stage.tick(3, 10)
    assert stage.state is State.DRIFTED
    assert stage.pupil.lessons == []
    assert stage.pupil.chosen == []


@pytest.mark.parametrize("size", ["10", "5KB", "999999"])
def test_room_for_no_image_is_refused(tmp_path: Path, size: str) -> None:
    with pytest.raises(TbftError, match=f"`keep.size` '{size}' has room for no images"):
        read_settings(settings(tmp_path, f'[keep]\nsize = "{size}"'))
    assert read_settings(settings(tmp_path, '[keep]\nsize = "1MB"')).settings.keep.bytes == 10**6


def test_an_answer_waits_for_no_confirmation_of_its_first_part() -> None:
    """Over a connection that is kept each took 40 ms more than it should."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    with _listening(Http(port=port)) as listener, socket.create_connection(("127.0.0.1", port)):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_where_nothing_came_before_there_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    """The journal said that somebody wanted the model before, and the command that all is well."""
    agent = started(configured(tmp_path, compiled(KEPT)))
    with pytest.raises(TbftError, match="none came before it"):
        agent.roll_back()
    assert not any("roll back" in line for line in journal(agent))
    # But what goes on can be ended.
    agent.core.remember(state=State.DRIFTED)
    assert agent.roll_back() == 0
    assert agent.core.memory.state is State.WATCHING
    agent.close()


def test_a_command_that_there_is_not_is_no_configuration(command: Callable[..., Ended], tmp_path: Path) -> None:
    """`agent stauts x.toml` called the configuration an argument too many."""
    for words in (["stauts"], ["stauts", settings(tmp_path, "")]):
        said = refused(command("agent", *words))
        assert said.message == "'tbft-edge agent' has no command 'stauts', and there is no such file"
        assert said.hint.startswith("did you mean 'status'?")
    # A file may have any name, and one that is gone may have been meant.
    assert "does not exist" in refused(command("agent", "gone.toml")).message
    (tmp_path / "agent.toml").rename(tmp_path / "odd")
    assert "bundle" in refused(command("agent", tmp_path / "odd")).message


def test_adapt_may_be_told_now(command: Callable[..., Ended], tmp_path: Path) -> None:
    file = settings(tmp_path, "[http]\nport = 9")
    assert "no agent answers" in refused(command("agent", "adapt", "--now", file)).message


def rounds_of(folder: Path, clock: TurnedClock, **camera: Any) -> Round:
    return Round(started(configured(folder, compiled(KEPT), camera={"folder": "camera", **camera}), clock))


def look(rounds: Round, clock: TurnedClock) -> int:
    """A few times; how many pictures were answered by then."""
    for _ in range(3):
        clock.turn(1)
        rounds.once()
    return rounds.agent.core.answering.answered


def test_a_camera_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    clock = TurnedClock()
    rounds = rounds_of(tmp_path, clock)
    rounds.begin()
    (words,) = status_of(rounds.agent.core).troubles
    assert words == f"the camera's folder '{tmp_path / 'camera'}' cannot be read: No such file or directory"
    assert f"trouble: {words}" in status_lines(status_of(rounds.agent.core), "http://x", None)
    assert f"trouble: {words}" in journal(rounds.agent)
    look(rounds, clock)
    assert len([line for line in journal(rounds.agent) if line.startswith("trouble")]) == 1
    filled(tmp_path, 1)
    assert look(rounds, clock) == 1
    assert status_of(rounds.agent.core).troubles == ()
    rounds.agent.close()


def filled(folder: Path, count: int = 20) -> Path:
    (folder / "camera").mkdir()
    for number, picture in enumerate(old_pictures(count)):
        (folder / "camera" / f"{number}.png").write_bytes(picture)
    return folder / "camera"


def test_pictures_that_came_while_nothing_ran_are_answered_where_they_are_to_be_deleted(tmp_path: Path) -> None:
    """They stayed, unanswered, and with each start the folder was fuller."""
    clock, folder = TurnedClock(), filled(tmp_path)
    rounds = rounds_of(tmp_path, clock, after="delete")
    rounds.begin()
    assert look(rounds, clock) == 20
    assert list(folder.iterdir()) == []
    rounds.agent.close()


def test_others_are_passed_over(tmp_path: Path) -> None:
    clock, folder = TurnedClock(), filled(tmp_path)
    rounds = rounds_of(tmp_path, clock)
    rounds.begin()
    assert look(rounds, clock) == 0
    assert len(list(folder.iterdir())) == 20
    rounds.agent.close()


def test_after_a_crash_they_are_deleted_unanswered(tmp_path: Path) -> None:
    """One of them may be why."""
    clock, folder = TurnedClock(), filled(tmp_path)
    (folder / "notes.txt").write_text("no picture")
    rounds_of(tmp_path, clock, after="delete").agent.core.store.close()
    rounds = rounds_of(tmp_path, clock, after="delete")
    rounds.begin()
    assert look(rounds, clock) == 0
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    rounds.agent.close()
