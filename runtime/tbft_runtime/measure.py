"""Run a few train steps of a bundle and measure them, here or on an emulated board.

    python -m tbft_runtime.measure '{"bundle": "…", "weights": "out.safetensors", "steps": 3}'

This is the program that `tbft-edge bench` runs: images are random but the same everywhere, one thread
computes, and the measurement is printed as JSON. Around each step it makes a system call that does
nothing (`getpgid` of a process that cannot exist): an emulator that counts instructions sees it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
from safetensors.numpy import save_file

from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import ConvolutionForm, Plan
from tbft_runtime.board.access import THIS_BOARD
from tbft_runtime.board.machine import peak_memory
from tbft_runtime.board.state import BoardSummary
from tbft_runtime.board.watch import BoardWatch
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.data.preprocessing import Preprocessing
from tbft_runtime.graphs.weights import load_weights
from tbft_runtime.reporting.versions import runtime_versions
from tbft_runtime.run.execution import why_not_executed
from tbft_runtime.run.options import TrainOptions
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState
from tbft_runtime.training.sparse_rows import Channels, measurable
from tbft_runtime.training.step import TrainStep, initial_state
from tbft_runtime.training.targets import Targets

MARK_BASE = 0x7ACE0000
# Marks before and after each kind of step.
STEP_MARKS = (1, 2)
CACHED_MARKS = (3, 4)
# Loading allocates and packs; the first step touches every buffer for the first time.
WARM_UP = 1
# On random images a usual rate diverges, and rounding would grow with it.
LR = 1e-4


class MeasureRequest(msgspec.Struct, frozen=True):
    """What to run; `weights` is where the tensors after `steps` full steps are written.

    `gradient_form` is one of the plan's; None: the default. With `targets` the steps take soft ones in place of labels.
    """

    bundle: str
    weights: str
    plan: str | None = None
    steps: int = 3
    batch_size: int = 4
    seed: int = 0
    expect_id: str | None = None
    gradient_form: ConvolutionForm | None = None
    targets: bool = False


class Measurement(msgspec.Struct, frozen=True):
    """Milliseconds of each step, whole and from stored boundary activations (empty where those change).

    `peak_memory_bytes` is the resident maximum of the process, of an emulator too if there is one.
    `board` is the machine that computed, or that emulated.
    """

    plan: str
    step_ms: list[float]
    cached_step_ms: list[float]
    losses: list[float]
    peak_memory_bytes: int
    board: BoardSummary
    runtime: dict[str, str]


def measure(request: MeasureRequest) -> Measurement:
    """Take `steps` full train steps on one batch, write the weights, then as many from its boundary activations."""
    bundle = open_bundle(Path(request.bundle), expect_id=request.expect_id)
    plan, channels = measurable(bundle.plan(request.plan))
    options = TrainOptions(Path(), Path(), lr=LR, batch_size=request.batch_size, threads=1)
    settings = resolve(options, plan, bundle)
    if request.gradient_form is not None:
        execution = msgspec.structs.replace(settings.execution, gradient_form=request.gradient_form)
        lacking = why_not_executed(execution, plan)
        if lacking is not None:
            raise TbftError(f"plan {plan.id!r} lacks {lacking}", f"it has {', '.join(plan.gradient_forms)}")
        settings = msgspec.structs.replace(settings, execution=execution)
    step, state = _loaded(bundle, plan, settings, channels, takes_targets=request.targets)
    images, labels = random_batch(bundle, request.batch_size, request.seed)
    wanted = random_targets(bundle, request.batch_size, request.seed) if request.targets else labels

    watch = BoardWatch(THIS_BOARD)
    step_ms: list[float] = []
    losses: list[float] = []
    for _ in range(WARM_UP + request.steps):
        with _Timed(step_ms, STEP_MARKS):
            result = step.run(state, images, wanted)
        losses.append(result.loss)
    save_file({name: np.ascontiguousarray(value) for name, value in state.current.items()}, request.weights)

    cached_ms: list[float] = []
    if plan.has_prefix and plan.prefix_is_fixed:
        boundary = step.to_boundary(images)
        for _ in range(WARM_UP + request.steps):
            with _Timed(cached_ms, CACHED_MARKS):
                step.run_from_boundary(state, boundary, wanted)
    return Measurement(
        plan=plan.id,
        step_ms=step_ms[WARM_UP:],
        cached_step_ms=cached_ms[WARM_UP:],
        losses=losses,
        peak_memory_bytes=peak_memory(),
        board=watch.summary(),
        runtime=runtime_versions(),
    )


class _Timed(contextlib.AbstractContextManager[None]):
    """Appends the milliseconds of its block to `times`, and marks its begin and end for an emulator."""

    def __init__(self, times: list[float], marks: tuple[int, int]) -> None:
        self.times = times
        self.marks = marks

    def __enter__(self) -> None:
        _mark(self.marks[0])
        self.started = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.times.append((time.perf_counter() - self.started) * 1000)
        _mark(self.marks[1])


def _mark(number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.getpgid(MARK_BASE + number)


def _loaded(
    bundle: Bundle, plan: Plan, settings: Settings, channels: Channels, *, takes_targets: bool
) -> tuple[TrainStep, TrainingState]:
    """A train step, and the state that it begins with; they keep what they need of the weights, and nobody the rest."""
    base = load_weights(bundle)
    prefix = load_prefix(bundle, plan, settings, base)
    step = TrainStep(bundle, plan, settings, base, prefix, takes_targets=takes_targets)
    return step, initial_state(bundle, plan, settings, base, channels)


def random_batch(bundle: Bundle, batch_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random images (N, C, H, W) float32, as the bundle prepares them, and labels (N,) int64."""
    manifest = bundle.manifest
    rng = np.random.default_rng(seed)
    preprocessing = Preprocessing(manifest.preprocessing, manifest.shape)
    pixels = preprocessing.noise(batch_size, rng)
    labels = rng.integers(0, len(manifest.classes), batch_size)
    return preprocessing.normalize(pixels), labels


def random_targets(bundle: Bundle, batch_size: int, seed: int) -> Targets:
    """Any probabilities, and any information towards any mean answer."""
    classes = len(bundle.manifest.classes)
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.ones(classes), batch_size + 1).astype(np.float32)
    return Targets(rows[1:], rng.uniform(0, 1, batch_size).astype(np.float32), np.log(np.maximum(rows[0], 1e-6)))


def main() -> None:
    """Read the request from the command line and print the measurement."""
    request = decode(sys.argv[1], MeasureRequest, MIB, failed="this is no request", hint="see the module's example")
    sys.stdout.write(msgspec.json.encode(measure(request)).decode() + "\n")


if __name__ == "__main__":
    main()
