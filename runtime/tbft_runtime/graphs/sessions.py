"""Graphs as ONNX Runtime sessions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import MappingProxyType

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_runtime.board.machine import give_memory_back
from tbft_runtime.graphs.graph_file import GraphFile, lacks_weight, model_file
from tbft_runtime.graphs.memory import Room
from tbft_runtime.graphs.signature import Signature

# ONNX Runtime writes a device id into the user's cache folder unless told so before it is imported; a
# device that trains on private data must not.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

Tensors = Mapping[str, np.ndarray]
# Fatal ones only: what fails raises an exception, and the log would write a stranger's names as they are.
QUIET = 4
# It has a log beside those of sessions, too.
ort.set_default_logger_severity(QUIET)
# Where ONNX Runtime looks for values outside a file, beside those that are handed over: nowhere.
_NOWHERE = "/nonexistent/tbft-edge"
# Among more nodes ONNX Runtime's search for equal ones takes minutes; the compiler leaves none.
_MOST_SEARCHED = 5000
# ONNX Runtime has one arena of the process, and a session keeps the one that was there when it was made.
_ARENA = Lock()
# More threads than this on a core do nothing but wait, and take memory.
THREADS_PER_CORE = 4


class _RoomError(TbftError):
    """A graph takes more memory at once than its session has."""


class Graph:
    """A loaded graph: named arrays in, named arrays out.

    `initializers` are kept alive: the session may use their memory instead of a copy. Raises TbftError for a graph
    that does not take and give what `signature` says; without one nothing is checked.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        initializers: Sequence[ort.OrtValue],
        file: GraphFile,
        signature: Signature | None,
    ) -> None:
        self._session = session
        self._initializers = initializers
        self._shown = file.shown
        self._signature = signature
        # How many images at once have room; None: all that came so far.
        self._at_once: int | None = None
        self.metadata = file.checked.metadata
        inputs, outputs = session.get_inputs(), session.get_outputs()
        self.inputs = [value.name for value in inputs]
        self.outputs = [value.name for value in outputs]
        if signature is not None:
            said = ([(value.name, value.type, value.shape) for value in values] for values in (inputs, outputs))
            self._refuse(signature.faults(*said))

    def run(self, feeds: Tensors) -> dict[str, np.ndarray]:
        """Compute every output. Scalars are 0-d arrays.

        Raises TbftError if that cannot be done, or if the outputs are not what they should be.
        """
        with _clear_errors(self._shown):
            results = dict(zip(self.outputs, self._session.run(self.outputs, dict(feeds)), strict=True))
        if self._signature is not None:
            self._refuse(self._signature.result_faults(results, len(next(iter(feeds.values())))))
        return results

    def answer(self, values: np.ndarray) -> np.ndarray:
        """The result of a forward graph with one input and one output, for these values of that input."""
        (result,) = self.in_parts(values).values()
        return result

    def in_parts(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """`run` of a graph with one input, that makes the same of an image in every batch, for these values of it.

        Where all of them at once take more memory than there may be, fewer: attention takes the square of a window.
        """
        count = max(1, len(values))
        size = self._at_once or count
        try:
            parts = [self.run({self.inputs[0]: values[start : start + size]}) for start in range(0, count, size)]
        except _RoomError:
            if size < 2:
                raise
            self._at_once = size // 2
            return self.in_parts(values)
        return (
            parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        )

    def _refuse(self, faults: Iterator[str]) -> None:
        for fault in faults:
            raise TbftError(f"graph '{self._shown}' {fault}", "copy or export it again")

    def end_trace(self) -> Path:
        """Stop tracing, and return the file with what was traced since the graph was loaded with `trace`."""
        return Path(self._session.end_profiling())

    def bind(self, inputs: Tensors, outputs: Tensors) -> BoundGraph:
        """The graph with arrays that it reads and writes in place, run after run; all of them C-contiguous."""
        return BoundGraph(self._session, inputs, outputs, self._shown)


class BoundGraph:
    """A graph whose buffers are bound once. An array may be both read and written where the graph allows it."""

    def __init__(self, session: ort.InferenceSession, inputs: Tensors, outputs: Tensors, shown: str) -> None:
        self._session = session
        self._shown = shown
        # ONNX Runtime works on the arrays' own memory, so they have to live as long as the binding.
        self._arrays = (dict(inputs), dict(outputs))
        with _clear_errors(shown):
            self._binding = session.io_binding()
            for name, array in inputs.items():
                self._binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
            for name, array in outputs.items():
                self._binding.bind_ortvalue_output(name, ort.OrtValue.ortvalue_from_numpy(array))

    def run(self, feeds: Tensors, results: Tensors = MappingProxyType({})) -> None:
        """Compute every output into its array; `feeds` and `results` are those that change their place or size.

        Raises TbftError if that cannot be done.
        """
        held = []  # What ONNX Runtime reads has to live until it has run.
        with _clear_errors(self._shown):
            for name, array in feeds.items():
                held.append(np.ascontiguousarray(array))
                self._binding.bind_cpu_input(name, held[-1])
            for name, array in results.items():
                self._binding.bind_ortvalue_output(name, ort.OrtValue.ortvalue_from_numpy(array))
            self._session.run_with_iobinding(self._binding)


def load_graph(
    source: GraphFile | Path,
    weights: Tensors,
    threads: int,
    *,
    signature: Signature | None = None,
    room: Room | None = None,
    spinning: bool = False,
    trace: Path | None = None,
) -> Graph:
    """Load a graph of a bundle, or the model in a file by itself.

    The weights that it refers to are taken from `weights`. They are handed over as initializers, not inputs, so that
    ONNX Runtime folds and packs them once. `signature` is what it must take and give, `room` what it has to do, which
    bounds its memory. With `spinning`, threads that wait for work keep their cores busy: sometimes faster, never
    cooler. With `trace` the time of every operator is written to a file whose name begins so, until `Graph.end_trace`.
    Raises TbftError if it cannot be loaded.
    """
    file = model_file(source) if isinstance(source, Path) else source
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A plan of the whole run's memory reserves the sum of what is needed at different times.
    options.enable_mem_pattern = False
    options.log_severity_level = QUIET
    entries = {
        "session.intra_op.allow_spinning": "1" if spinning else "0",
        "session.model_external_initializers_file_folder_path": _NOWHERE,
        "optimization.constant_folding_max_output_size_in_bytes": str(file.checked.folded_bytes),
    }
    if file.checked.nodes > _MOST_SEARCHED:
        entries["optimization.disable_specified_optimizers"] = "CommonSubexpressionElimination"
    for key, entry in entries.items():
        options.add_session_config_entry(key, entry)
    if trace is not None:
        options.enable_profiling = True
        options.profile_file_prefix = os.fspath(trace)
    try:
        names = list(file.checked.external)
        values = [ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(weights[name])) for name in names]
        if names:
            options.add_external_initializers(names, values)
        session = _session(file, options, None if room is None else room.bytes(file.checked.initializer_bytes))
    except KeyError as error:
        raise lacks_weight(file.shown, error.args[0]) from error
    except Exception as error:  # ValueError, and ONNX Runtime's, which share no base
        raise TbftError(
            f"graph '{file.shown}' cannot be loaded: {_reason(error)}", "copy or export it again"
        ) from error
    if names:
        # Folding and packing frozen weights left their copies behind.
        give_memory_back()
    return Graph(session, values, file, signature)


def _session(file: GraphFile, options: ort.SessionOptions, most_bytes: int | None) -> ort.InferenceSession:
    """A session whose tensors take `most_bytes`, in an arena of its own as without that limit."""
    with _ARENA:
        if most_bytes is None or not _put_arena(most_bytes):
            return ort.InferenceSession(file.content, options, providers=["CPUExecutionProvider"])
        options.add_session_config_entry("session.use_env_allocators", "1")
        try:
            return ort.InferenceSession(file.content, options, providers=["CPUExecutionProvider"])
        finally:
            # An empty one, so that the memory of this one is free when its session ends.
            _put_arena(most_bytes)


def _put_arena(most_bytes: int) -> bool:
    """Whether the next session can have an arena with that limit; earlier versions take one for the whole process."""
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    try:
        ort.create_and_register_allocator(place, ort.OrtArenaCfg({"max_mem": most_bytes}))
    except RuntimeError:
        return False
    return True


@contextlib.contextmanager
def _clear_errors(shown: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # ONNX Runtime's share no base.
        reason = str(error)
        if "Available memory of" in reason:
            raise _RoomError(
                f"graph '{shown}' asks for more memory than any network for such inputs",
                "train with a smaller `batch_size`, or do not trust it",
            ) from error
        is_memory = isinstance(error, MemoryError) or "allocate" in reason
        hint = "free memory, or choose a smaller `batch_size`" if is_memory else "copy or export the bundle again"
        raise TbftError(f"graph '{shown}' cannot be computed: {_reason(error)}", hint) from error


def _reason(error: Exception) -> str:
    """Its first line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def onnxruntime_version() -> str:
    """The version of ONNX Runtime that computes."""
    return str(ort.__version__)


def default_threads() -> int:
    """As many threads as this process may use cores."""
    return len(os.sched_getaffinity(0))


def checked_threads(threads: int | None) -> int:
    """So many threads, or the default. Raises TbftError for more than a few on each core, which only wait."""
    cores = default_threads()
    if threads is None:
        return cores
    if not 1 <= threads <= cores * THREADS_PER_CORE:
        raise TbftError(
            f"`threads` {threads} is not between 1 and {cores * THREADS_PER_CORE}, {THREADS_PER_CORE} for each core",
            f"give `threads` from 1 to {cores * THREADS_PER_CORE}: one for each core is fastest",
        )
    return threads
