"""Measure a bundle's train steps here and on emulated ARM, and compare the weights that come out."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from safetensors.numpy import load_file

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Drift, Plan
from tbft_artifacts.temporary_folder import temporary_folder
from tbft_edge.emulation.container import ENGINES, container_engine
from tbft_edge.emulation.cpus import Cpu
from tbft_edge.emulation.guest import UnavailableError, cache_folder, prepare_guest
from tbft_edge.emulation.qemu_user import QemuUser, qemu_user, spans
from tbft_edge.process import answer, run_program
from tbft_runtime.board.state import BoardSummary
from tbft_runtime.measure import CACHED_MARKS, STEP_MARKS, WARM_UP, Measurement, MeasureRequest

_T = TypeVar("_T")

MODULE = ("-m", "tbft_runtime.measure")


class Count(msgspec.Struct, frozen=True):
    """Executed instructions of one step: the median, and (largest - smallest) / median over the steps."""

    median: int
    spread: float


class BenchResult(msgspec.Struct, frozen=True, kw_only=True):
    """Train steps of one plan. Milliseconds are this machine's, or `emulated` and then not a board's.

    `agreement` is the largest difference between the weights trained there and here, relative to each
    tensor's largest value. Instructions are counted by QEMU's user mode, of the step and of the step
    from stored boundary activations. `peak_memory_bytes` contains the emulator; `skipped` says why
    engines tried earlier did not work. `board` is the machine that computed or emulated, meanwhile.
    """

    plan: str
    drift: Drift | None
    platform: str
    engine: str
    cpu: str | None = None
    batch_size: int
    step_ms: float
    cached_step_ms: float | None = None
    emulated: bool = False
    agreement: float | None = None
    instructions_per_step: Count | None = None
    instructions_per_cached_step: Count | None = None
    peak_memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    skipped: tuple[str, ...] = ()
    board: BoardSummary
    runtime: dict[str, str]


class StepCost(msgspec.Struct, frozen=True):
    """What a step of a plan costs, and the share that it saves against full fine-tuning (None without that).

    In the first epoch a step begins at the images, later at stored boundary activations where those do
    not change. `unit` is `instructions`, or `ms` where they were not counted.
    """

    plan: str
    unit: str
    first_epoch: float
    later_epochs: float
    first_epoch_saved: float | None
    later_epochs_saved: float | None


def compare_costs(results: Sequence[BenchResult]) -> list[StepCost]:
    """The paper's cost table: every plan against full fine-tuning of the same network."""
    counted = all(result.instructions_per_step for result in results)
    costs = {result.plan: _step_costs(result, counted) for result in results}
    full = next((costs[result.plan][0] for result in results if result.drift == "full"), None)
    return [
        StepCost(
            plan=plan,
            unit="instructions" if counted else "ms",
            first_epoch=first,
            later_epochs=later,
            first_epoch_saved=None if full is None else 1 - first / full,
            later_epochs_saved=None if full is None else 1 - later / full,
        )
        for plan, (first, later) in costs.items()
    ]


def _step_costs(result: BenchResult, counted: bool) -> tuple[float, float]:
    """(from the images, from stored boundary activations if possible)."""
    if counted and result.instructions_per_step is not None:
        cached = result.instructions_per_cached_step or result.instructions_per_step
        return result.instructions_per_step.median, cached.median
    return result.step_ms, result.step_ms if result.cached_step_ms is None else result.cached_step_ms


@dataclass
class ArmBench:
    """Emulates with the first engine that works; `skipped` collects why others did not."""

    cpu: Cpu
    memory: int | None
    steps: int
    batch_size: int
    skipped: list[str] = field(default_factory=list)

    def measure(self, bundle: Bundle, plan: Plan) -> BenchResult:
        """Measure `plan` on emulated ARM. Raises TbftError if no engine works."""
        counter = self._try(lambda: _counter(cache_folder()))
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            folder.chmod(0o777)  # The container's user is another one.
            measure_here(bundle, plan, self.steps, self.batch_size, folder / "here.safetensors")
            engine, there, peak = self._run(bundle, plan, folder, counter)
            marks = self._count(bundle, plan, folder, counter) if counter else []
            agreement = _largest_difference(folder / "there.safetensors", folder / "here.safetensors")
        return BenchResult(
            plan=plan.id,
            drift=plan.drift,
            platform="arm64",
            engine=engine,
            cpu=self.cpu.name,
            batch_size=self.batch_size,
            step_ms=statistics.median(there.step_ms),
            cached_step_ms=statistics.median(there.cached_step_ms) if there.cached_step_ms else None,
            emulated=True,
            agreement=agreement,
            instructions_per_step=_count(spans(marks, *STEP_MARKS)),
            instructions_per_cached_step=_count(spans(marks, *CACHED_MARKS)),
            peak_memory_bytes=peak,
            memory_limit_bytes=self.memory,
            skipped=tuple(self.skipped),
            board=there.board,
            runtime=there.runtime,
        )

    def _run(
        self, bundle: Bundle, plan: Plan, folder: Path, counter: QemuUser | None
    ) -> tuple[str, Measurement, int | None]:
        """Engine, measurement and peak memory of the first engine that works."""
        for program in ENGINES:
            engine = self._try(lambda program=program: container_engine(program))  # type: ignore[misc]
            if engine is not None:
                volumes = [(bundle.folder.resolve(), "/bundle", "ro"), (folder, "/measured", "rw")]
                request = self._request("/bundle", plan, "/measured/there.safetensors")
                printed = engine.run([*MODULE, request], self.cpu, memory=self.memory, volumes=volumes)
                there = answer(printed, Measurement)
                return program, there, there.peak_memory_bytes
        if counter is None:
            raise TbftError("no way to emulate ARM works here: " + "; ".join(self.skipped), "install one of these")
        request = self._request(str(bundle.folder.resolve()), plan, str(folder / "there.safetensors"))
        try:
            run = counter.run([*MODULE, request], self.cpu, memory=self.memory)
        except UnavailableError as error:
            raise TbftError(f"--memory cannot be enforced: {error}", "leave --memory out, or run as root") from error
        there = answer(run.stdout, Measurement)
        return "qemu-user", there, run.peak_memory_bytes or there.peak_memory_bytes

    def _count(self, bundle: Bundle, plan: Plan, folder: Path, counter: QemuUser) -> list[tuple[int, int]]:
        request = self._request(str(bundle.folder.resolve()), plan, str(folder / "counted.safetensors"))
        return counter.run([*MODULE, request], self.cpu, count=True).marks

    def _request(self, bundle: str, plan: Plan, weights: str) -> str:
        request = MeasureRequest(bundle, weights, plan.id, self.steps, self.batch_size)
        return msgspec.json.encode(request).decode()

    def _try(self, find: Callable[[], _T]) -> _T | None:
        try:
            return find()
        except UnavailableError as error:
            if str(error) not in self.skipped:
                self.skipped.append(str(error))
            return None


def measure_local(bundle: Bundle, plan: Plan, steps: int, batch_size: int) -> BenchResult:
    """Measure `plan` on this machine, in a process of its own."""
    with temporary_folder() as temporary:
        here = measure_here(bundle, plan, steps, batch_size, temporary / "here.safetensors")
    return BenchResult(
        plan=plan.id,
        drift=plan.drift,
        platform="local",
        engine="native",
        batch_size=batch_size,
        step_ms=statistics.median(here.step_ms),
        cached_step_ms=statistics.median(here.cached_step_ms) if here.cached_step_ms else None,
        peak_memory_bytes=here.peak_memory_bytes,
        board=here.board,
        runtime=here.runtime,
    )


def measure_here(bundle: Bundle, plan: Plan, steps: int, batch_size: int, weights: Path) -> Measurement:
    """Run the measuring program with this Python; the trained tensors go to `weights`."""
    request = MeasureRequest(
        str(bundle.folder.resolve()), str(weights), plan.id, steps, batch_size, expect_id=bundle.manifest.bundle_id
    )
    command = [sys.executable, "-P", *MODULE, msgspec.json.encode(request).decode()]
    done = run_program(command)
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise TbftError(f"measuring failed: {last}", "try 'tbft-edge inspect' and 'tbft-edge doctor' on the bundle")
    return answer(done.stdout, Measurement)


def _counter(cache: Path) -> QemuUser:
    cache.mkdir(parents=True, exist_ok=True)
    return qemu_user(prepare_guest(cache), cache)


def _count(counts: list[int]) -> Count | None:
    measured = counts[WARM_UP:]
    if not measured:
        return None
    median = statistics.median(measured)
    return Count(int(median), (max(measured) - min(measured)) / median)


def _largest_difference(found: Path, expected: Path) -> float:
    """Over all tensors, the largest difference relative to the tensor's largest value."""
    there, here = load_file(found), load_file(expected)
    return max(float(np.abs(there[name] - here[name]).max() / np.abs(here[name]).max()) for name in here)
