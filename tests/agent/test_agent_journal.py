"""The journal: bounded, readable after a pulled plug, and never a reason to stop."""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from support.agents import TurnedClock
from tbft_agent.journal import MOST_BYTES, REMEMBERED, Journal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path, TurnedClock())


def test_what_was_written_last_comes_last(journal: Journal) -> None:
    for number in range(20):
        journal.write("drift", f"number {number}", number=number)
    assert [entry.figures["number"] for entry in journal.latest(5)] == [15, 16, 17, 18, 19]


def test_it_takes_two_files_at_most(journal: Journal, tmp_path: Path) -> None:
    """A year of decisions on a card of 8 GB."""
    for _ in range(40):
        journal.write("drift", "x" * 4000, **{f"figure {n}": "y" * 1000 for n in range(60)})
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 * MOST_BYTES + 100_000
    assert {path.name for path in tmp_path.iterdir()} == {"journal.jsonl", "journal.1.jsonl"}
    assert len(journal.latest(3)) == 3


def test_a_line_that_was_cut_costs_itself_alone(journal: Journal, tmp_path: Path) -> None:
    journal.write("drift", "first")
    journal.write("drift", "second")
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    journal.write("drift", "third")
    assert [entry.says for entry in journal.latest(10)] == ["first", "third"]


@pytest.mark.parametrize("junk", [b"\0" * 100, b"\xff\xfe\n", b"[" * 100_000, b"{}\n", b"x" * (1 << 21)])
def test_what_is_no_entry_is_passed_over(journal: Journal, tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "journal.jsonl").write_bytes(junk)
    journal.write("drift", "after")
    assert [entry.says for entry in journal.latest(10)][-1:] in (["after"], [])
    journal.write("drift", "after")


def test_names_and_figures_of_any_kind_are_written(journal: Journal) -> None:
    """A file name that is no UTF-8 ended the thread that looks around: nothing was decided any more."""
    name = os.fsdecode(b"caf\xe9.png")
    journal.write("skipped", f"'{name}' is no picture", name=name, share=np.float64(0.5), odd=math.inf, path=Path("a"))
    (entry,) = journal.latest(1)
    assert "\\udce9" in entry.says
    assert entry.figures["share"] == 0.5


def test_a_full_disk_loses_the_entry_alone(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        journal.write("drift", "lost")
    journal.write("drift", "kept")
    assert [entry.says for entry in journal.latest(10)] == ["kept"]


def test_several_threads_lose_nothing(journal: Journal) -> None:
    """Two that found the file full at the same moment moved it twice: the old entries were gone."""

    def write() -> None:
        for number in range(200):
            journal.write("drift", "x" * 1000, number=number)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.latest(10_000)) == 800


def test_the_last_entries_are_read_from_no_file(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the page decoded two thousand lines, every second, on a board that answers images."""
    for number in range(REMEMBERED + 10):
        journal.write("drift", f"number {number}")
    known = journal.latest(REMEMBERED)
    with monkeypatch.context() as patched:
        patched.setattr("tbft_agent.journal.read_at_most", lambda *_: pytest.fail("a file was read"))
        journal.write("drift", "another", odd=math.inf, share=np.float64(0.5), path=Path("a"))
        assert journal.latest(1)[0].says == "another"
        assert journal.latest(REMEMBERED)[:-1] == known[1:]
    assert journal.latest(REMEMBERED) == journal._read(REMEMBERED)
    assert len(journal.latest(REMEMBERED + 5)) == REMEMBERED + 5


def test_what_another_program_does_to_the_files_is_seen(journal: Journal, tmp_path: Path) -> None:
    journal.write("drift", "first")
    assert len(journal.latest(9)) == 1
    (tmp_path / "journal.jsonl").unlink()
    assert journal.latest(9) == []
    journal.write("drift", "second")
    assert [entry.says for entry in journal.latest(9)] == ["second"]
