"""Train every entry, one after the other, each in a process of its own; what ended is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import DivergedError, TbftError
from tbft_artifacts.program import program
from tbft_artifacts.regular import read_at_most
from tbft_edge.compare.entries import Entry
from tbft_edge.compare.options import Options
from tbft_edge.process import answer, run_json
from tbft_runtime import read_report
from tbft_runtime.reporting.report import Report
from tbft_runtime.run.folder import RunFolder

_T = TypeVar("_T")


class Evaluated(msgspec.Struct, frozen=True):
    """The part of `eval --json` that counts here."""

    accuracy: float
    images: int
    images_per_second: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run beside its own folder.

    `failed` says why it did not end well, and `diverged` that it would not the next time either. `evaluated` is the
    trained model on the test images, or for its speed on all images. `resumed`: the run was cut and went on.
    """

    failed: str | None = None
    diverged: bool = False
    evaluated: Evaluated | None = None
    resumed: bool = False


@dataclass(frozen=True)
class Run:
    """A run that ended: `report` is None where it failed."""

    entry: Entry
    seed: int
    outcome: Outcome
    report: Report | None


@dataclass(frozen=True)
class RunEnded:
    """`done` of `total` runs; `seconds` since the first one that was not there yet began, and how many were `new`."""

    done: int
    total: int
    new: int
    seconds: float
    run: Run


def run_all(options: Options, entries: Sequence[Entry], on_run: Callable[[RunEnded], None]) -> list[Run]:
    """All entries with the first seed, then all with the next: what drifts on a machine hits them alike.

    A run that fails is kept as such; the others go on.
    """
    turns = [(entry, seed) for seed in options.seeds for entry in entries]
    runs: list[Run] = []
    began, new = time.perf_counter(), 0
    for done, (entry, seed) in enumerate(turns, start=1):
        folder = run_folder(options.out, entry, seed)
        outcome = _kept(folder)
        if outcome is None:
            outcome = _run(options, entry, seed, folder)
            new += 1
        run = Run(entry, seed, outcome, None if outcome.failed else read_report(folder))
        runs.append(run)
        on_run(RunEnded(done, len(turns), new, time.perf_counter() - began, run))
    return runs


def run_folder(out: Path, entry: Entry, seed: int) -> Path:
    """Where a run lies: an ordinary run folder."""
    return out / "runs" / entry.folder / f"seed-{seed}"


def before_training(options: Options, test: Path, bundle: Path, bundle_id: str, kept: Path) -> Evaluated:
    """A bundle as it is, on the test images, kept in a file. Raises TbftError if it cannot be evaluated."""
    try:
        return _read(kept, Evaluated)
    except (OSError, TbftError):
        evaluated = _evaluate(options, bundle, bundle_id, test)
        _write(evaluated, kept)
        return evaluated


def _run(options: Options, entry: Entry, seed: int, folder: Path) -> Outcome:
    finished = RunFolder(folder).report_file.exists()
    resumed = not finished and RunFolder(folder).has_state
    try:
        if not finished:
            folder.parent.mkdir(parents=True, exist_ok=True)
            told = _train_options if entry.way.command == "train" else _learn_options
            _command("training failed", options, entry.way.command, entry.bundle, *told(options, entry, seed, folder))
        outcome = Outcome(
            evaluated=_evaluate(options, folder, entry.bundle_id, options.test or options.data), resumed=resumed
        )
    except DivergedError as error:
        outcome = Outcome(failed=error.message, diverged=True, resumed=resumed)
    except TbftError as error:
        # A full disk or a killed process may be no obstacle the next time, so this is not kept.
        return Outcome(failed=error.message)
    _write(outcome, _file(folder))
    return outcome


def _train_options(options: Options, entry: Entry, seed: int, folder: Path) -> list[str | Path]:
    return [
        *("--data", str(options.data), "--out", str(folder), *entry.way.options),
        *("--seed", str(seed), "--epochs", str(options.epochs), "--val-fraction", str(options.val_fraction)),
        # No other bundle that was put in its place since.
        *("--meter", options.meter, "--expect-id", entry.bundle_id),
        # Where nothing was begun yet, there is nothing to resume, and the run begins.
        "--resume",
    ]


def _learn_options(options: Options, entry: Entry, _seed: int, folder: Path) -> list[str | Path]:
    """It draws nothing, and holds each image out in turn."""
    return ["--data", options.data, "--out", folder, "--meter", options.meter, "--expect-id", entry.bundle_id]


def _evaluate(options: Options, model: Path, bundle_id: str, data: Path) -> Evaluated:
    printed = _command("evaluating failed", options, "eval", model, "--data", data, "--expect-id", bundle_id)
    return answer(printed, Evaluated)


def _command(failed: str, options: Options, command: str, *arguments: str | Path) -> bytes:
    own = [*program(), command, *arguments, "--threads", str(options.threads), "--json"]
    return run_json(own, failed=failed)


def _file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.json")


def _kept(folder: Path) -> Outcome | None:
    """What an earlier call kept; None if there is nothing that can be read."""
    try:
        return _read(_file(folder), Outcome)
    except (OSError, TbftError):
        return None


def _read(file: Path, kind: type[_T]) -> _T:
    return decode(read_at_most(file, MIB), kind, MIB, failed=f"'{file}' is damaged", hint="it is made again")


def _write(value: Outcome | Evaluated, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1))
