"""Where the time of a train step goes: some steps more, after training, with ONNX Runtime's tracing on."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_runtime.boundary.prefix import load_prefix
from tbft_runtime.graphs.sessions import Graph, Tensors
from tbft_runtime.profiling.layers import layer_of
from tbft_runtime.profiling.profile import GraphName, GraphProfile, Profile, Slice
from tbft_runtime.profiling.trace import Kernel, KernelTrace, read_trace
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState
from tbft_runtime.training.fine_tuning import FineTuning
from tbft_runtime.training.sparse_rows import merged
from tbft_runtime.training.step import TrainStep
from tbft_runtime.training.targets import Targets

# As many steps as these allow. Until a trace ends and is read, a kernel takes some 3 kB of memory.
KERNEL_BYTES = 3000
MOST_STEPS = 20
MOST_KERNELS = 20_000
MOST_SECONDS = 30
# One step of four warms up before those that count.
STEPS_PER_WARM_UP = 4
# The optimizer works on all trained parameters as one vector.
ALL_PARAMETERS = "(all parameters)"


def profile_run(tuning: FineTuning, state: TrainingState, room: int | None = None) -> Profile | None:
    """Profile train steps of a run that has trained, on its first batch; a note says why if there is no profile.

    Traces take `room` bytes beside what training did, if there is such a bound; those of a step are the least.
    Everything is computed on copies: neither the state nor any file of the run changes.
    """
    settings, train = tuning.settings, tuning.data.train
    if not settings.epochs:
        tuning.progress.note("no profile: nothing was trained")
        return None
    tuning.progress.note("profiling train steps")
    gc.collect()  # The graphs that trained, which refer to themselves.
    first = train.shuffled(settings.batch_size, (settings.seed, 1))[0]
    try:
        # Named so that the next start of the run removes it, should this process be killed.
        with tempfile.TemporaryDirectory(prefix=".profile", suffix=".tmp", dir=tuning.folder.path) as folder:
            return profile_steps(
                TracedSteps(
                    bundle=tuning.bundle,
                    plan=tuning.plan,
                    settings=settings,
                    weights=merged(tuning.plan, tuning.base, state.current),
                    state=state,
                    images=train.images(first),
                    wanted=_wanted(tuning, first),
                    folder=Path(folder),
                    most_kernels=None if room is None else room // KERNEL_BYTES,
                )
            )
    except (TbftError, OSError) as error:
        tuning.progress.note(f"no profile: {error}")
        return None


def _wanted(tuning: FineTuning, indices: np.ndarray) -> np.ndarray | Targets:
    """What steps on the training images at `indices` are fed with; of targets only the size matters."""
    if not tuning.settings.takes_targets:
        return tuning.data.train.labels(indices)
    images, classes = len(indices), len(tuning.bundle.manifest.classes)
    return Targets(
        np.zeros((images, classes), np.float32),
        np.ones(images, np.float32),
        np.full(classes, -np.log(classes), np.float32),
    )


@dataclass(frozen=True)
class TracedSteps:
    """Train steps on one batch: images (N, C, H, W) float32, `wanted` labels (N,) int64 or targets.

    Traces are written into `folder`.

    `most_kernels` are traced at once; None: as many as there is memory for on any board.
    """

    bundle: Bundle
    plan: Plan
    settings: Settings
    weights: Tensors
    state: TrainingState
    images: np.ndarray
    wanted: np.ndarray | Targets
    folder: Path
    most_kernels: int | None = None

    def run(self, warm_up: int, steps: int) -> dict[GraphName, KernelTrace]:
        """Load the graphs anew and take so many steps; the traces of those that count, by graph.

        Raises TbftError if a trace is not whole.
        """
        # Weights stay as they are, so that no step fails, and each computes the same.
        settings = msgspec.structs.replace(self.settings, lr=0.0)
        prefix = load_prefix(self.bundle, self.plan, settings, self.weights, traces=self.folder)
        with_targets = isinstance(self.wanted, Targets)
        step = TrainStep(
            self.bundle, self.plan, settings, self.weights, prefix, traces=self.folder, takes_targets=with_targets
        )
        copy = TrainingState(current=_copied(self.state.current), slots=_copied(self.state.slots), best={})
        for _ in range(warm_up + steps):
            step.run(copy, self.images, self.wanted)
        graphs: dict[GraphName, Graph] = {} if prefix is None else {"prefix": prefix.graph}
        graphs |= {"gradient": step.gradient, "update": step.update}
        traces: dict[GraphName, KernelTrace] = {}
        for name, graph in graphs.items():
            file = graph.end_trace()
            traces[name] = read_trace(file, warm_up, steps)
            file.unlink()
        return traces


def profile_steps(traced: TracedSteps) -> Profile:
    """Trace as many steps as fit the limits, and add up their kernels.

    Raises TbftError if a graph cannot be loaded or a trace is not whole.
    """
    trial = traced.run(0, 1).values()
    gc.collect()  # A loaded step refers to itself: memory is free only after a collection.
    kernels = sum(len(trace.kernels) for trace in trial)
    seconds = sum(trace.run_microseconds for trace in trial) / 1e6
    most_kernels = MOST_KERNELS if traced.most_kernels is None else min(MOST_KERNELS, traced.most_kernels)
    steps = max(1, int(min(MOST_STEPS, most_kernels / kernels, MOST_SECONDS / seconds)))
    traces = traced.run(-(-steps // STEPS_PER_WARM_UP), steps)
    return Profile(
        steps=steps,
        batch_size=len(traced.wanted),
        graphs=tuple(graph_profile(name, trace) for name, trace in traces.items()),
    )


def graph_profile(graph: GraphName, trace: KernelTrace) -> GraphProfile:
    """The kernels of a trace by operator and by layer, per step."""

    def layer(kernel: Kernel) -> str:
        return ALL_PARAMETERS if graph == "update" else layer_of(kernel.node, kernel.operator)

    milliseconds = 1000 * trace.steps
    return GraphProfile(
        graph=graph,
        wall_ms=trace.run_microseconds / milliseconds,
        kernel_ms=sum(kernel.microseconds for kernel in trace.kernels) / milliseconds,
        operators=_slices(trace, lambda kernel: kernel.operator),
        layers=_slices(trace, layer),
    )


def _slices(trace: KernelTrace, key: Callable[[Kernel], str]) -> tuple[Slice, ...]:
    microseconds: dict[str, int] = {}
    calls: dict[str, int] = {}
    for kernel in trace.kernels:
        name = key(kernel)
        microseconds[name] = microseconds.get(name, 0) + kernel.microseconds
        calls[name] = calls.get(name, 0) + 1
    slices = [
        Slice(name=name, milliseconds=total / 1000 / trace.steps, calls=calls[name] / trace.steps)
        for name, total in microseconds.items()
    ]
    return tuple(sorted(slices, key=lambda each: -each.milliseconds))


def _copied(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in arrays.items()}
