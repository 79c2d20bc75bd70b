"""What `tune` measured and chose: `tuning.json` in the run folder, and whether it holds for a run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import BatchNormPolicy, Plan
from tbft_artifacts.regular import read_at_most
from tbft_artifacts.rights import shared_as
from tbft_artifacts.sealed import is_as_sealed, sealed
from tbft_artifacts.structs import Count, Images, Milliseconds, Threads, Word
from tbft_runtime.board.machine import processor
from tbft_runtime.board.state import BoardSummary
from tbft_runtime.graphs.sessions import THREADS_PER_CORE, default_threads, onnxruntime_version
from tbft_runtime.progress import Progress
from tbft_runtime.run.execution import Execution, why_not_executed
from tbft_runtime.run.settings import Settings

# Every way to run a plan, and its times in a dozen rounds, is a few dozen kB.
_LIMIT = 4 * MIB

Coordinate = Literal["threads", "spinning", "gradient_form", "micro_batch", "prefix_form"]

Value = int | str | bool | None


class TuningCandidate(msgspec.Struct, frozen=True):
    """One way to run a plan."""

    threads: Threads
    execution: Execution

    def value(self, coordinate: Coordinate) -> Value:
        """What it says about `coordinate`."""
        if coordinate == "threads":
            return self.threads
        value: Value = getattr(self.execution, coordinate)
        return value


class Timing(msgspec.Struct, frozen=True):
    """Milliseconds of a candidate, round by round, and their median and quartiles."""

    candidate: TuningCandidate
    ms: tuple[Milliseconds, ...]
    median_ms: Milliseconds
    lower_ms: Milliseconds
    upper_ms: Milliseconds


class TuningComparison(msgspec.Struct, frozen=True):
    """Two candidates in turns; `taken`: the one that was tried took over.

    They differ in one coordinate; the last comparison, of everything that was chosen with the default,
    has `coordinate` None.
    """

    coordinate: Coordinate | None
    in_use: Timing
    tried: Timing
    taken: bool

    @property
    def values(self) -> tuple[Value, Value]:
        """What was in use, and what was tried."""
        if self.coordinate is None:
            return "default", "chosen"
        return self.in_use.candidate.value(self.coordinate), self.tried.candidate.value(self.coordinate)


class TuningMachine(msgspec.Struct, frozen=True):
    """What the times depend on beside the plan. `cores`: those that the process may use."""

    processor: Word
    cores: Count
    onnxruntime: Word


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """The way of running a plan that was fastest on a machine, for batches of `batch_size` images.

    With `divided` a batch may go through the gradient graph in parts, of `statistics_part` images or more where they
    have batch statistics of their own. `default` is what a run does without
    it. `finished` is False if the time was up before everything was compared. `board` is how the board was
    meanwhile.
    """

    bundle_id: Word
    plan: Word
    batch_norm: BatchNormPolicy
    batch_size: Images
    divided: bool
    machine: TuningMachine
    board: BoardSummary
    default: TuningCandidate
    chosen: TuningCandidate
    comparisons: tuple[TuningComparison, ...]
    seconds: float
    finished: bool
    statistics_part: Images | None = None


def this_machine() -> TuningMachine:
    """The machine of this process."""
    return TuningMachine(processor=processor(), cores=default_threads(), onnxruntime=onnxruntime_version())


def write_tuning(tuning: Tuning, path: Path) -> None:
    """Replace the file at `path` atomically. Raises TbftError if the disk is full."""
    with atomic_file(path, mode=shared_as(path.parent)) as temporary:
        temporary.write_bytes(sealed(tuning))


def with_tuning(settings: Settings, plan: Plan, path: Path, threads: int | None, progress: Progress) -> Settings:
    """The settings of a new run of `plan` with what is remembered at `path`, if it fits; a note says so, or why not.

    `threads` is what was asked for; None takes those that were chosen.
    """
    try:
        content = read_at_most(path, _LIMIT)
        tuning = decode(
            content, Tuning, _LIMIT, failed=f"'{path}' is ignored", hint="measure again with 'tbft-edge tune'"
        )
    except FileNotFoundError:
        return settings
    except OSError as error:
        progress.note(f"'{path}' is ignored: it cannot be read ({error.strerror})")
        return settings
    except TbftError as error:
        progress.note(error.message)
        return settings
    if is_as_sealed(content) is False:
        progress.note(f"'{path}' is ignored: it is damaged")
        return settings
    reason = why_not_for(tuning, settings, this_machine())
    if reason is not None:
        progress.note(f"'{path}' is ignored: it was measured {reason}")
        return settings
    chosen = tuning.chosen
    lacking = why_not_executed(chosen.execution, plan)
    if lacking is not None or chosen.threads > THREADS_PER_CORE * tuning.machine.cores:
        progress.note(f"'{path}' is ignored: it chose {lacking or f'{chosen.threads} threads'}, which is not there")
        return settings
    progress.note(f"runs as measured in '{path}'")
    return msgspec.structs.replace(
        settings, threads=chosen.threads if threads is None else threads, execution=chosen.execution, tuned=True
    )


def why_not_for(tuning: Tuning, settings: Settings, machine: TuningMachine) -> str | None:
    """What else than this run on this machine was measured; None if the tuning fits.

    Statistics that are re-estimated first make no difference: the graphs are the same.
    """
    before = tuning.machine
    reasons = {
        "with another bundle": tuning.bundle_id != settings.bundle_id,
        f"for plan '{tuning.plan}'": tuning.plan != settings.plan,
        f"for batches of {tuning.batch_size}": tuning.batch_size != settings.batch_size,
        f"for `batch_norm` {tuning.batch_norm}": (tuning.batch_norm == "batch") != (settings.batch_norm == "batch"),
        "on another processor": before.processor != machine.processor,
        f"with {before.cores} cores, and now there are {machine.cores}": before.cores != machine.cores,
        f"with onnxruntime {before.onnxruntime}": before.onnxruntime != machine.onnxruntime,
    }
    return next((reason for reason, differs in reasons.items() if differs), None)
