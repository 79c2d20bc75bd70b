"""Runs take turns; what ended is kept, what failed for the moment is tried again, what diverged is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.bundles import ALL_DRIFTS, compiled
from support.made_up_reports import made_up_report
from support.report_files import save_report
from tbft_artifacts.errors import DivergedError, TbftError
from tbft_edge.compare import runs as module
from tbft_edge.compare.entries import Entry, open_entries
from tbft_edge.compare.options import Options
from tbft_edge.compare.runs import Evaluated, Run, RunEnded, before_training, run_all, run_folder
from tbft_runtime.run.folder import RunFolder

EVALUATED = Evaluated(0.875, 40, 500.0)


class Commands:
    """Stands for `tbft-edge`: remembers what was run, and leaves what it would."""

    def __init__(self) -> None:
        self.lines: list[list[str]] = []
        self.fail: Callable[[list[str]], None] = lambda _: None

    def run(self, command: list[str | Path], failed: str) -> bytes:
        assert failed.endswith("failed")
        line = [str(word) for word in command][4:]
        self.lines.append(line)
        self.fail(line)
        if line[0] == "eval":
            return msgspec.json.encode(EVALUATED)
        save_report(made_up_report(), Path(line[line.index("--out") + 1]))
        return b"{}"

    def trained(self) -> list[tuple[str, str]]:
        """(plan, seed) of each training, in order."""
        return [
            (line[line.index("--plan") + 1], line[line.index("--seed") + 1])
            for line in self.lines
            if line[0] == "train"
        ]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    commands = Commands()
    monkeypatch.setattr(module, "run_json", commands.run)
    return commands


@pytest.fixture
def entries() -> list[Entry]:
    return open_entries([compiled("output-frozen"), compiled("full-batch")])


@pytest.fixture
def options(tmp_path: Path, squares: Path) -> Options:
    return Options(
        data=squares,
        test=None,
        out=tmp_path / "out",
        repeats=2,
        seed=5,
        epochs=3,
        threads=1,
        val_fraction=0.2,
        meter="none",
    )


def test_what_is_learned_in_one_pass_is_told_no_epochs(commands: Commands, options: Options) -> None:
    *_, learned = open_entries([compiled(ALL_DRIFTS)], also=("learn",))
    all_runs(options, [learned])
    line = next(line for line in commands.lines if line[0] == "learn")
    assert "--epochs" not in line
    assert "--seed" not in line
    assert line[line.index("--expect-id") + 1] == learned.bundle_id


def all_runs(options: Options, entries: list[Entry]) -> list[Run]:
    return run_all(options, entries, lambda _: None)


def test_entries_take_turns(commands: Commands, options: Options, entries: list[Entry]) -> None:
    """All with the first seed before any with the second, each with the same options, evaluated in between."""
    heard: list[RunEnded] = []
    ended = run_all(options, entries, heard.append)
    output, full = "output-frozen-sgd", "full-batch-adam"
    assert commands.trained() == [(output, "5"), (full, "5"), (output, "6"), (full, "6")]
    assert [line[0] for line in commands.lines] == ["train", "eval"] * 4
    for line in commands.lines:
        assert line[-3:] == ["--threads", "1", "--json"]
    shared = {"--data": str(options.data), "--epochs": "3", "--val-fraction": "0.2", "--meter": "none"}
    for line in commands.lines[::2]:
        given = dict(zip(line[2:-4:2], line[3:-4:2], strict=True))
        assert {name: given[name] for name in shared} == shared
        assert given.keys() == shared.keys() | {"--plan", "--seed", "--out", "--expect-id"}
        assert line[-4] == "--resume"
    assert [(run.entry.name, run.seed) for run in ended] == [(output, 5), (full, 5), (output, 6), (full, 6)]
    assert [(progress.done, progress.total, progress.new) for progress in heard] == [(n, 4, n) for n in range(1, 5)]


def test_what_ended_is_not_run_again(commands: Commands, options: Options, entries: list[Entry]) -> None:
    first = all_runs(options, entries)
    commands.lines.clear()
    assert all_runs(options, entries) == first
    assert commands.lines == []


def test_without_test_images_speed_is_that_on_the_data(
    commands: Commands, options: Options, entries: list[Entry], squares: Path
) -> None:
    all_runs(options, entries)
    assert commands.lines[1][:4] == ["eval", str(run_folder(options.out, entries[0], 5)), "--data", str(squares)]


def test_one_that_diverges_is_kept_and_the_others_go_on(
    commands: Commands, options: Options, entries: list[Entry]
) -> None:
    def diverge(line: list[str]) -> None:
        if line[0] == "train" and "full-batch-adam" in line:
            raise DivergedError("the loss of epoch 2 is nan", "lower --lr")

    commands.fail = diverge
    outcomes = [run.outcome for run in all_runs(options, entries)]
    assert [outcome.failed for outcome in outcomes] == [None, "the loss of epoch 2 is nan"] * 2
    assert [outcome.diverged for outcome in outcomes] == [False, True] * 2
    commands.lines.clear()
    assert [run.outcome for run in all_runs(options, entries)] == outcomes
    assert commands.lines == []


def test_what_failed_for_the_moment_is_tried_again(commands: Commands, options: Options, entries: list[Entry]) -> None:
    def fill_the_disk(line: list[str]) -> None:
        if "full-batch-adam" in line:
            raise TbftError("training failed: no space left on the disk", "free some space")

    commands.fail = fill_the_disk
    runs = all_runs(options, entries)
    assert runs[1].outcome.failed == "training failed: no space left on the disk"
    assert runs[1].report is None
    commands.fail = lambda _: None
    commands.lines.clear()
    assert all(run.report is not None for run in all_runs(options, entries))
    assert commands.trained() == [("full-batch-adam", "5"), ("full-batch-adam", "6")]


def test_a_run_whose_evaluation_was_cut_is_only_evaluated(
    commands: Commands, options: Options, entries: list[Entry]
) -> None:
    save_report(made_up_report(), run_folder(options.out, entries[0], 5))
    (run, *_) = all_runs(options, entries)
    assert commands.lines[0][0] == "eval"
    assert not run.outcome.resumed


def test_a_run_that_was_cut_is_marked(commands: Commands, options: Options, entries: list[Entry]) -> None:
    folder = RunFolder(run_folder(options.out, entries[0], 5))
    folder.path.mkdir(parents=True)
    folder.state_file.write_bytes(b"an epoch")
    assert [run.outcome.resumed for run in all_runs(options, entries)] == [True, False, False, False]


def test_a_damaged_record_is_made_again(commands: Commands, options: Options, entries: list[Entry]) -> None:
    all_runs(options, entries)
    folder = run_folder(options.out, entries[0], 5)
    folder.with_name("seed-5.json").write_text("{")
    commands.lines.clear()
    assert all_runs(options, entries)[0].outcome.evaluated == EVALUATED
    assert [line[0] for line in commands.lines] == ["eval"]


def test_the_base_model_is_tested_once(commands: Commands, options: Options, entries: list[Entry]) -> None:
    arguments: Any = (options, options.data, entries[0].bundle, entries[0].bundle_id, options.out / "before.json")
    assert before_training(*arguments) == before_training(*arguments) == EVALUATED
    assert len(commands.lines) == 1
