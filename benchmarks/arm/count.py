"""`make bench-arm`: executed ARM instructions per train step, PyTorch's beside ours.

Default plan of each drift; one thread; everything in the same emulator, on the same batch. Runs in the device
environment, after `benchmarks.arm.prepare`, and adds what it counted to docs/results/benchmarks/arm.json. Of what
is named only that is counted: `python -m benchmarks.arm.count [CPU…] [NETWORK…] [DRIFT…] [ENGINE…]`.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np

from benchmarks.arm.cases import CASES, Case
from benchmarks.arm.guests import MNN, guest_with
from benchmarks.arm.job import TrainJob
from benchmarks.arm.results import COUNTS, Counted, Engine, add
from benchmarks.device_size import TORCH, TORCH_AND_DEPENDENCIES
from benchmarks.goals import DRIFTS
from benchmarks.inputs import MOMENTUM
from benchmarks.protocol import Drift
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_edge.console import say
from tbft_edge.emulation.cpus import CPUS, Cpu
from tbft_edge.emulation.guest import UnavailableError, cache_folder, prepare_guest
from tbft_edge.emulation.qemu_user import EmulatedRun, qemu_user, spans
from tbft_edge.process import answer
from tbft_runtime.measure import (
    CACHED_MARKS,
    LR,
    MARK_BASE,
    STEP_MARKS,
    WARM_UP,
    Measurement,
    MeasureRequest,
    random_batch,
)

# Emulated at once, each on a core of this machine; counts do not depend on it.
AT_ONCE = 2
# Counts repeat from step to step once the first has touched every buffer.
STEPS = 1


@dataclass(frozen=True)
class Task:
    """One process to be counted."""

    cpu: Cpu
    case: Case
    drift: Drift
    engine: Engine

    @property
    def bundle(self) -> Bundle:
        return open_bundle(self.case.bundle(self.drift))


def main(words: Sequence[str]) -> None:
    """Count, and write each count as soon as it is there."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for counted in pool.map(_counted, _tasks(words)):
            add(COUNTS, counted)
            shown = (
                counted.reason or f"{counted.step or 0:,} (stored: {counted.cached or 0:,}), losses {counted.losses}"
            )
            say(f"{counted.cpu} {counted.network} {counted.drift} {counted.engine}: {shown}")


def _tasks(words: Sequence[str]) -> list[Task]:
    names: list[dict[str, object]] = [dict(CPUS), {case.network: case for case in CASES}]
    names += [{name: name for name in group} for group in (DRIFTS, get_args(Engine))]
    unknown = set(words) - {name for group in names for name in group}
    if unknown:
        sys.exit(f"error: nothing is called {', '.join(sorted(unknown))}\n\nhint: {', '.join(map(str, names))}")
    cpus, cases, drifts, engines = (
        [each for name, each in group.items() if name in words] or [*group.values()] for group in names
    )
    return [
        Task(cpu, case, drift, engine)  # type: ignore[arg-type]
        for case in cases
        for cpu in cpus
        for drift in drifts
        for engine in engines
    ]


def _counted(task: Task) -> Counted:
    """The count of a task, or why there is none."""
    plan = task.bundle.plan()
    count: Callable[[Task], tuple[EmulatedRun, list[float]]] = _count_other
    if task.engine in ("ours", "ours-direct"):
        count = _count_ours
    run: EmulatedRun | None = None
    losses: list[float] = []
    reason: str | None = None
    try:
        if task.engine == "ours-direct" and "direct" not in plan.gradient_forms[1:]:
            raise UnavailableError("the plan has no other form")
        run, losses = count(task)
    except (TbftError, UnavailableError) as error:
        reason = str(error)
    return Counted(
        cpu=task.cpu.name,
        network=task.case.network,
        image_size=task.case.image_size,
        batch_size=task.case.batch_size,
        drift=task.drift,
        engine=task.engine,
        batch_norm=plan.batch_norm,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        step=_median(run, STEP_MARKS),
        cached=_median(run, CACHED_MARKS),
        losses=losses,
        reason=reason,
    )


def _count_ours(task: Task) -> tuple[EmulatedRun, list[float]]:
    cache = cache_folder()
    emulator = qemu_user(prepare_guest(cache), cache)
    with tempfile.TemporaryDirectory() as folder:
        request = MeasureRequest(
            str(task.bundle.folder.resolve()),
            f"{folder}/weights.safetensors",
            steps=STEPS,
            batch_size=task.case.batch_size,
            gradient_form="direct" if task.engine == "ours-direct" else None,
        )
        words = ["-m", "tbft_runtime.measure", msgspec.json.encode(request).decode()]
        run = emulator.run(words, task.cpu, count=True)
    return run, answer(run.stdout, Measurement).losses


def _count_other(task: Task) -> tuple[EmulatedRun, list[float]]:
    is_mnn = task.engine == "mnn"
    emulator = guest_with(MNN, [MNN]) if is_mnn else guest_with(TORCH, TORCH_AND_DEPENDENCIES)
    bundle = task.bundle
    plan = bundle.plan()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        images, labels = random_batch(bundle, task.case.batch_size, seed=0)
        np.savez(folder / "batch.npz", images=images, labels=labels)
        job = TrainJob(
            network=task.case.network,
            image_size=task.case.image_size,
            classes=len(bundle.manifest.classes),
            weights=str(bundle.weights.resolve()),
            batch=str(folder / "batch.npz"),
            trained=tuple(parameter.name for parameter in plan.parameters),
            batch_statistics=plan.batch_statistics,
            channels_last=task.engine == "pytorch-channels-last",
            steps=WARM_UP + STEPS,
            lr=LR,
            momentum=MOMENTUM,
            marks=(MARK_BASE + STEP_MARKS[0], MARK_BASE + STEP_MARKS[1]),
        )
        (folder / "job.json").write_bytes(msgspec.json.encode(job))
        run = emulator.run(
            ["-m", f"benchmarks.arm.{'mnn' if is_mnn else 'pytorch'}", str(folder / "job.json")], task.cpu, count=True
        )
    # MNN says on stdout, too, what the processor can do.
    (losses,) = (line for line in run.stdout.splitlines() if line.startswith("["))
    return run, answer(losses, list[float])


def _median(run: EmulatedRun | None, marks: tuple[int, int]) -> int | None:
    counts = [] if run is None else spans(run.marks, *marks)[WARM_UP:]
    return int(statistics.median(counts)) if counts else None


if __name__ == "__main__":
    main(sys.argv[1:])
