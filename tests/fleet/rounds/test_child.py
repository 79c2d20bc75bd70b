"""A program beside the device's runner is begun again when it ends, and when it hangs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tbft_fleet.rounds.child import Child


def until(is_so: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so():
            return True
        time.sleep(0.05)
    return False


def child(code: str, folder: Path, said: list[str], **options: bool) -> Child:
    return Child("thing", [sys.executable, "-c", code], folder, said.append, pause=0.2, **options)


def test_what_ended_is_begun_again_after_a_pause(tmp_path: Path) -> None:
    """With what it said, and its exit code; a SuperNode that comes back too soon after a power cut is sent away."""
    said: list[str] = []
    thing = child("print('\\033[93mhere'); raise SystemExit(49)", tmp_path, said)
    assert thing.keep()
    assert until(lambda: thing.exit_code == 49)
    assert not thing.keep()
    assert until(thing.keep)
    assert until(lambda: said.count("thing: here") == 2)
    thing.end()
    assert "thing ended with exit code 49; it is begun again in 0 s" in said


def test_what_hangs_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its other threads may well answer: a SuperNode whose main thread died does."""
    monkeypatch.setattr("tbft_fleet.rounds.child.STUCK_SECONDS", 0.5)
    said: list[str] = []
    idle = "import time\nwhile True: time.sleep(100)"
    thing, patient = child(idle, tmp_path, said, is_busy=True), child(idle, tmp_path, said)
    for each in (thing, patient):
        assert each.keep()
    first, other = thing.pid, patient.pid
    assert until(lambda: thing.keep() and patient.keep() and thing.pid != first)
    assert patient.pid == other
    assert "thing does nothing any more, and is begun again" in said
    for each in (thing, patient):
        each.end()


def test_what_works_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tbft_fleet.rounds.child.STUCK_SECONDS", 0.5)
    thing = child("while True: sum(range(10000))", tmp_path, [], is_busy=True)
    thing.keep()
    first = thing.pid
    assert not until(lambda: not thing.keep() or thing.pid != first, 1.5)
    thing.end()


def test_it_ends_though_it_does_not_want_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's service has five seconds."""
    monkeypatch.setattr("tbft_fleet.rounds.child._PATIENCE_SECONDS", 0.3)
    said: list[str] = []
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(100)"
    thing = child(code, tmp_path, said)
    thing.keep()
    assert until(lambda: "thing: ready" in said)
    thing.end()
    assert thing.exit_code == -9


@pytest.mark.parametrize(("orphaned", "told"), [("SIGTERM", True), ("SIGKILL", False)])
def test_it_ends_with_who_began_it_and_is_told_where_it_has_to_be(orphaned: str, told: bool, tmp_path: Path) -> None:
    """Also where that is killed: a program with workers of its own, such as nginx, has to end these first."""
    alive, last = tmp_path / "alive", tmp_path / "last"
    code = (
        "import os, pathlib, signal, time\n"
        f"signal.signal(15, lambda *_: (pathlib.Path({str(last)!r}).touch(), os._exit(0)))\n"
        f"while True: pathlib.Path({str(alive)!r}).write_text(str(os.getpid())); time.sleep(0.05)"
    )
    begin = (
        "import pathlib, signal, sys, time\n"
        "from tbft_fleet.rounds.child import Child\n"
        f"thing = Child('thing', [sys.executable, '-c', {code!r}], pathlib.Path({str(tmp_path)!r}), print, pause=1,"
        f" orphaned=signal.{orphaned})\n"
        "thing.keep()\ntime.sleep(100)"
    )
    parent = subprocess.Popen([sys.executable, "-c", begin])
    assert until(lambda: alive.exists() and alive.read_text() != "")
    pid = int(alive.read_text())
    parent.kill()
    parent.wait()
    assert until(lambda: not Path(f"/proc/{pid}").exists())
    assert last.exists() is told
