"""Gates in a process of their own: whatever a release does to it, the update goes on, and goes back."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.bundles import compiled
from support.fleet_devices import GOOD, Board
from tbft_fleet.device import apart
from tbft_fleet.device.apart import Question, judged_apart
from tbft_fleet.device.update import pull
from tbft_fleet.files.gates import Gates

QUESTION = Question(before=None, after=str(compiled(GOOD)), gates=Gates(doctor=False), images=None)


def instead(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let the process do something else."""
    monkeypatch.setattr(apart, "_COMMAND", (sys.executable, "-c", code))


def test_it_says_what_came_of_each(tmp_path: Path) -> None:
    found = judged_apart(QUESTION)
    assert [each.gate for each in found] == ["load", "throttling"]


def test_nothing_in_the_working_folder_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever pulls from a stick may well stand in its folder: `cd /media/stick; tbft-edge fleet pull ... --from .`"""
    (tmp_path / "msgspec.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    assert [each.gate for each in judged_apart(QUESTION)] == ["load", "throttling"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os; os.abort()", "SIGABRT ended"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL ended"),
        ("raise MemoryError('no room')", "MemoryError: no room"),
        ("raise SystemExit(3)", "exit code 3"),
        ("print('what a library says')", "cannot be read"),
        ("import time; time.sleep(60)", "longer than"),
    ],
)
def test_a_release_that_ends_its_process_does_not_load(monkeypatch: pytest.MonkeyPatch, code: str, why: str) -> None:
    instead(monkeypatch, code)
    if "sleep" in code:
        monkeypatch.setattr(apart, "LONGEST_SECONDS", 0.2)
    (found,) = judged_apart(QUESTION)
    assert (found.gate, found.verdict) == ("load", "failed")
    assert why in found.text


def test_a_release_that_crashes_at_load_goes_back(running: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    instead(monkeypatch, "import os; os.abort()")
    (ended,) = list(pull(running.place, running.shelf, running.put, running.told.append))
    assert (ended.outcome, ended.why) == (
        "rolled back",
        "load failed: SIGABRT ended the process that loaded it",
    )
    assert running.place.current() == 1


def test_images_that_are_gone_fail_what_is_required(running: Board) -> None:
    """And are no reason to go back where nobody required them (`test_gates.py`)."""
    path = running.place.settings
    path.write_text(path.read_text().replace("/own", "/gone"))
    (ended,) = running.pull()
    assert ended.outcome == "rolled back"
    assert ended.why is not None
    assert ended.why.startswith("accuracy not measurable: data '")
    assert running.place.current() == 1
