"""`tbft-edge agent` as systemd sees it: what it tells, how it ends, and what it refuses; with a real socket."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import DEVICE, refused, run, start
from support.services import PATIENCE, Running, configured, running

# What is promised of SIGTERM.
MOST_SECONDS = 5.0


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Running]:
    with running(configured(tmp_path)) as found:
        yield found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_time_and_what_it_knows_is_kept(tmp_path: Path, agent: Running, number: int) -> None:
    """A service that is stopped, Ctrl-C and a lost terminal: exit code 0, since that is how it ends."""
    (tmp_path / "state" / "memory.json").unlink()
    assert agent.end(number) < MOST_SECONDS
    out, err = agent.process.communicate()
    assert agent.process.returncode == 0, err
    assert out == ""
    assert json.loads((tmp_path / "state" / "memory.json").read_text())["starts"] == 0
    agent.wait_for("STOPPING=1")


def test_it_tells_that_it_lives(agent: Running) -> None:
    """Never silent for as long as the watchdog waits."""
    agent.wait_for("WATCHDOG=1")
    agent.told.clear()
    agent.channel.settimeout(2.0)
    agent.wait_for("WATCHDOG=1")


def test_a_camera_that_is_gone_does_not_silence_the_watchdog(tmp_path: Path) -> None:
    """Systemd would start it anew again and again, and its rule for crashes would take that for a bad model."""
    file = configured(tmp_path, "[camera]", f"folder = '{tmp_path / 'nowhere'}'", "every_seconds = 0.2")
    with running(file) as agent:
        agent.wait_for("WATCHDOG=1")
        agent.told.clear()
        agent.wait_for("WATCHDOG=1")


def test_a_second_agent_on_one_state_folder_is_refused(tmp_path: Path, agent: Running) -> None:
    """Two would write into each other's files."""
    other = tmp_path / "other"
    other.mkdir()
    refusal = refused(run(DEVICE, "agent", configured(other, state=str(tmp_path / "state"))))
    assert "another agent has the folder" in refusal.message
    assert agent.process.poll() is None


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    """In one line, and nothing answers there but what did before."""
    file = configured(tmp_path)
    port = int(file.read_text().partition("port = ")[2].split()[0])
    with socket.create_server(("127.0.0.1", port)):
        refusal = refused(run(DEVICE, "agent", file))
    assert f"nothing can listen at 127.0.0.1:{port}" in refusal.message


def test_a_signal_while_it_starts_leaves_no_process(tmp_path: Path) -> None:
    """Before it listens to signals itself the command does, with the exit code of one that was ended."""

    process = start(DEVICE, "agent", configured(tmp_path))
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    finally:
        process.communicate()
    assert process.returncode in (0, 143, -signal.SIGTERM)
