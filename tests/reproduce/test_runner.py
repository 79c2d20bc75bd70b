"""Trials run once, whatever stops the run between them, and those that are one and the same share an outcome."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from support.counting_engine import CountingEngine, make_case, make_runner
from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.case import Case, Parts
from tbft_edge.reproduce.engine import Job
from tbft_edge.reproduce.runner import Planned, TrialEnded
from tbft_edge.reproduce.trial import Outcome, Trial


def make_planned(case: Case, block: PaperBlock, **words: str) -> Planned:
    trial = Trial(case=case.name, engine="device", recipe="default", block=block, size=10)
    return Planned(case, trial, None, {"case": case.name, "block": block} | words)


def ignore(progress: TrialEnded) -> None:
    """Nobody watches."""


def test_records_come_in_the_order_of_the_plan_and_belong_to_their_case(tmp_path: Path) -> None:
    """Trials end in any order; a table must not care."""
    dark, bright = make_case("dark", 0), make_case("bright", 255)
    planned = [make_planned(case, block) for case in (dark, bright) for block in BLOCKS]
    records = make_runner(tmp_path, CountingEngine()).run(planned, ignore)
    assert [record.trial for record in records] == [one.trial for one in planned]
    for record in records:
        base = 1.0 if record.trial.case == "bright" else 0.0
        assert record.outcome.accuracy == pytest.approx(base + BLOCKS.index(record.trial.block or "fc") / 100)


def test_what_was_run_is_never_run_again(tmp_path: Path) -> None:
    engine = CountingEngine()
    planned = [make_planned(make_case("dark", 0), block) for block in BLOCKS]
    make_runner(tmp_path, engine).run(planned[:3], ignore)
    said: list[TrialEnded] = []
    make_runner(tmp_path, engine).run(planned, said.append)
    assert len(engine.jobs) == len(BLOCKS)
    assert [(progress.done, progress.total) for progress in said] == [(1, 2), (2, 2)]


def test_a_failure_keeps_what_others_gave_and_leaves_no_data(tmp_path: Path) -> None:
    """After hours of training one broken trial must cost itself alone."""
    planned = [make_planned(make_case("dark", 0), block) for block in BLOCKS]
    with pytest.raises(TbftError, match="it broke"):
        make_runner(tmp_path, CountingEngine(broken="fc"), jobs=1).run(planned, ignore)
    assert list((tmp_path / "work").iterdir()) == []
    engine = CountingEngine()
    make_runner(tmp_path, engine).run(planned, ignore)
    assert [job.trial.block for job in engine.jobs] == ["fc"]


@dataclass
class FailingFirst(CountingEngine):
    """Full fails while another trial runs, which ends later."""

    begun: threading.Event = field(default_factory=threading.Event)
    failed: threading.Event = field(default_factory=threading.Event)

    def run(self, job: Job, folder: Path) -> Outcome:
        if job.trial.block == "full":
            self.begun.wait(10)
            self.failed.set()
            raise TbftError("it broke", "mend it")
        self.begun.set()
        self.failed.wait(10)
        time.sleep(0.2)  # Until the failure is known.
        return super().run(job, folder)


def test_what_runs_beside_a_failure_is_kept(tmp_path: Path) -> None:
    """It is waited for, and may have taken half an hour."""
    planned = [make_planned(make_case("dark", 0), block) for block in BLOCKS]
    engine = FailingFirst()
    with pytest.raises(TbftError, match="it broke"):
        make_runner(tmp_path, engine, jobs=2).run(planned, ignore)
    ended = {job.trial.block for job in engine.jobs}
    again = CountingEngine()
    make_runner(tmp_path, again).run(planned, ignore)
    assert ended
    assert {job.trial.block for job in again.jobs} == set(BLOCKS) - ended


def test_nothing_is_left_when_the_watcher_is_interrupted(tmp_path: Path) -> None:
    """Ctrl-C at any moment: what runs ends and is kept, what waits is given up, and the data are removed."""
    engine = CountingEngine()

    def interrupt(progress: TrialEnded) -> None:
        raise KeyboardInterrupt

    planned = [make_planned(make_case("dark", 0), block) for block in BLOCKS]
    with pytest.raises(KeyboardInterrupt):
        make_runner(tmp_path, engine, jobs=1).run(planned, interrupt)
    assert list((tmp_path / "work").iterdir()) == []
    assert len(list((tmp_path / "trials").iterdir())) == len(engine.jobs)


def test_equal_trials_are_run_once(tmp_path: Path) -> None:
    """The default of a block may be what a batch-norm policy says, too."""
    engine = CountingEngine()
    planned = [make_planned(make_case("dark", 0), "block1")] * 3
    assert len(make_runner(tmp_path, engine).run(planned, ignore)) == 3
    assert len(engine.jobs) == 1


@pytest.mark.parametrize("content", [b"{", b"", b'{"identity": {"case": "\xff"}}'])
def test_a_damaged_outcome_is_run_again(tmp_path: Path, content: bytes) -> None:
    planned = [make_planned(make_case("dark", 0), "block1")]
    make_runner(tmp_path, CountingEngine()).run(planned, ignore)
    (file,) = (tmp_path / "trials").iterdir()
    file.write_bytes(content)
    engine = CountingEngine()
    make_runner(tmp_path, engine).run(planned, ignore)
    assert len(engine.jobs) == 1


def test_data_of_a_case_are_made_once_and_only_while_they_are_needed(tmp_path: Path) -> None:
    """Fifteen corruptions of 10,000 images would fill a small disk."""
    loaded: list[str] = []
    present: list[int] = []

    def counting(case: Case) -> Case:
        def load(size: int) -> Parts:
            loaded.append(case.name)
            return case.load(size)

        return replace(case, load=load)

    cases = [counting(make_case(name, 0)) for name in ("one", "two", "three")]
    planned = [make_planned(case, block) for case in cases for block in BLOCKS]
    make_runner(tmp_path, CountingEngine(), jobs=1).run(
        planned, lambda _: present.append(len(list((tmp_path / "work").glob("*/data-*"))))
    )
    assert loaded == ["one", "two", "three"]
    assert max(present) <= 2
    assert list((tmp_path / "work").iterdir()) == []
