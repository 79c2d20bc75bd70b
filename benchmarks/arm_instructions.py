"""`make bench-arm`: executed Cortex-A72 instructions per train step, PyTorch's beside ours.

Both are counted in this run, by the same emulator, in the same guest: batch 4, one thread, batch norms
frozen. Runs in the device environment, after `benchmarks.prepare`. Writes build/bench/arm.json.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.arm_results import ARM_RESULTS, ArmResults, DriftCounts, arm_rows
from benchmarks.device_size import TORCH, TORCH_AND_DEPENDENCIES
from benchmarks.goals import DRIFTS
from benchmarks.prepared import ROOT, bundle, subject
from benchmarks.protocol import Drift, Load
from benchmarks.results import Contestant
from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_edge.console import say
from tbft_edge.emulation.bench import ArmBench
from tbft_edge.emulation.cpus import CPUS
from tbft_edge.emulation.guest import PLATFORMS, PYTHON_VERSION, Guest, UnavailableError, cache_folder, prepare_guest
from tbft_edge.emulation.qemu_user import QemuUser, qemu_user, spans
from tbft_edge.tables.table import Table, show
from tbft_runtime.measure import MARK_BASE, STEP_MARKS, WARM_UP

CPU = CPUS["cortex-a72"]
BATCH_SIZE = 4
STEPS = 2
IMAGE_SIZE = 32


def main() -> None:
    """Count, print, write."""
    torch, reason = _torch_guest()
    counts = []
    for drift in DRIFTS:
        say(f"counting {drift}")
        counts.append(_count(drift, torch, reason))
    results = ArmResults(
        date=datetime.now(UTC).strftime("%Y-%m-%d"), cpu=CPU.name, batch_size=BATCH_SIZE, torch=TORCH, drifts=counts
    )
    with atomic_file(ARM_RESULTS) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    columns, rows = arm_rows(results)
    show(Table(f"Millions of executed {CPU.name} instructions per train step", columns, rows, numbers=True))


def _count(drift: Drift, torch: QemuUser | None, reason: str | None) -> DriftCounts:
    wanted = subject(Contestant("ours", drift, "frozen"), IMAGE_SIZE)
    compiled = bundle(Path(wanted.bundle).name)
    ours = ArmBench(CPU, None, STEPS, BATCH_SIZE).measure(compiled, compiled.plan(f"{drift}-frozen-sgd"))
    theirs: int | None = None
    if torch is not None:
        load = msgspec.json.encode(Load(wanted, 1, BATCH_SIZE)).decode()
        numbers = [WARM_UP + STEPS, *(MARK_BASE + mark for mark in STEP_MARKS)]
        try:
            run = torch.run(["-m", "benchmarks.workers.arm_pytorch", load, *map(str, numbers)], CPU, count=True)
            theirs = int(statistics.median(spans(run.marks, *STEP_MARKS)[WARM_UP:]))
        except TbftError as error:
            reason = str(error)
    step, cached = ours.instructions_per_step, ours.instructions_per_cached_step
    return DriftCounts(
        drift=drift,
        ours=step.median if step else None,
        ours_cached=cached.median if cached else None,
        pytorch=theirs,
        reason=reason if step else "; ".join(ours.skipped),
    )


def _torch_guest() -> tuple[QemuUser | None, str | None]:
    """An emulator with PyTorch for ARM, or why there is none."""
    try:
        cache = cache_folder()
        cache.mkdir(parents=True, exist_ok=True)
        root = prepare_guest(cache).root
        packages = cache / f"packages-{TORCH}"
        if not packages.exists():
            say(f"downloading {TORCH} for arm64 into {packages}")
            _install(packages)
        return qemu_user(Guest(root, packages, ROOT), cache), None
    except UnavailableError as error:
        return None, str(error)


def _install(packages: Path) -> None:
    with tempfile.TemporaryDirectory(dir=packages.parent) as temporary:
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        abis = [word for name in (f"cp{PYTHON_VERSION.replace('.', '')}", "abi3", "none") for word in ("--abi", name)]
        options = ["--only-binary=:all:", "--no-deps", "--no-compile", "--implementation", "cp"]
        options += ["--python-version", PYTHON_VERSION, *platforms, *abis, "--target", f"{temporary}/packages"]
        wanted = [*TORCH_AND_DEPENDENCIES, "msgspec", "safetensors"]
        command = [sys.executable, "-m", "pip", "install", "--quiet", *options, *wanted]
        done = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
        if done.returncode:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            raise UnavailableError(f"pip could not get {TORCH} for arm64: {last}")
        shutil.move(f"{temporary}/packages", packages)


if __name__ == "__main__":
    main()
