"""Graphs of a bundle as ONNX Runtime sessions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_runtime.graphs.onnx_file import external_initializers

# ONNX Runtime writes a device id into the user's cache folder unless told so before it is imported; a
# device that trains on private data must not.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

Tensors = Mapping[str, np.ndarray]
# Fatal ones only: what fails raises an exception, and the log would write a stranger's names as they are.
QUIET = 4
# More threads than this on a core do nothing but wait, and take memory.
THREADS_PER_CORE = 4


class Graph:
    """A loaded graph: named arrays in, named arrays out.

    `initializers` are kept alive: the session may use their memory instead of a copy.
    """

    def __init__(self, session: ort.InferenceSession, initializers: Sequence[ort.OrtValue]) -> None:
        self._session = session
        self._initializers = initializers
        self.inputs = [value.name for value in session.get_inputs()]
        self.outputs = [value.name for value in session.get_outputs()]
        self.metadata: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)

    def run(self, feeds: Tensors) -> dict[str, np.ndarray]:
        """Compute every output. Scalars are 0-d arrays. Raises TbftError if that cannot be done."""
        with _clear_errors():
            return dict(zip(self.outputs, self._session.run(self.outputs, dict(feeds)), strict=True))

    def end_trace(self) -> Path:
        """Stop tracing, and return the file with what was traced since the graph was loaded with `trace`."""
        return Path(self._session.end_profiling())

    def bind(self, inputs: Tensors, outputs: Tensors) -> BoundGraph:
        """The graph with arrays that it reads and writes in place, run after run; all of them C-contiguous."""
        with _clear_errors():
            return BoundGraph(self._session, inputs, outputs)


class BoundGraph:
    """A graph whose buffers are bound once. An array may be both read and written where the graph allows it."""

    def __init__(self, session: ort.InferenceSession, inputs: Tensors, outputs: Tensors) -> None:
        self._session = session
        self._binding = session.io_binding()
        # ONNX Runtime works on the arrays' own memory, so they have to live as long as the binding.
        self._arrays = (dict(inputs), dict(outputs))
        for name, array in inputs.items():
            self._binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
        for name, array in outputs.items():
            self._binding.bind_ortvalue_output(name, ort.OrtValue.ortvalue_from_numpy(array))

    def run(self, feeds: Tensors) -> None:
        """Compute every output into its array; `feeds` are the inputs that change their place or size.

        Raises TbftError if that cannot be done.
        """
        held = []  # What ONNX Runtime reads has to live until it has run.
        with _clear_errors():
            for name, array in feeds.items():
                held.append(np.ascontiguousarray(array))
                self._binding.bind_cpu_input(name, held[-1])
            self._session.run_with_iobinding(self._binding)


def load_graph(
    path: Path, weights: Tensors, threads: int, *, spinning: bool = False, trace: Path | None = None
) -> Graph:
    """Load the graph at `path`; the weights that it refers to are taken from `weights`.

    With `trace` the time of every operator is written to a file whose name begins so, until
    `Graph.end_trace`. Raises TbftError if the file cannot be loaded.
    """
    try:
        return graph_from_bytes(path.read_bytes(), weights, threads, spinning=spinning, trace=trace)
    except KeyError as error:
        raise TbftError(f"graph '{path}' needs weight {error}, which the bundle lacks", "export it again") from error
    except Exception as error:  # OSError, ValueError, and ONNX Runtime's, which share no base
        raise TbftError(f"graph '{path}' cannot be loaded: {_reason(error)}", "copy or export it again") from error


def graph_from_bytes(
    model: bytes, weights: Tensors, threads: int, *, spinning: bool = False, trace: Path | None = None
) -> Graph:
    """Load a serialized model.

    Weights are handed over as initializers, not inputs, so that ONNX Runtime folds and packs them once.
    With `spinning`, threads that wait for work keep their cores busy: sometimes faster, never cooler.
    `trace` is that of `load_graph`. Raises KeyError for a weight that is missing, and what ONNX Runtime raises.
    """
    names = external_initializers(model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # A plan of the whole run's memory reserves the sum of what is needed at different times.
    options.enable_mem_pattern = False
    options.log_severity_level = QUIET
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    if trace is not None:
        options.enable_profiling = True
        options.profile_file_prefix = os.fspath(trace)
    values = [ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(weights[name])) for name in names]
    if names:
        options.add_external_initializers(names, values)
    return Graph(ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]), values)


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # ONNX Runtime's share no base.
        is_memory = isinstance(error, MemoryError) or "allocate" in str(error)
        hint = "free memory, or choose a smaller `batch_size`" if is_memory else "copy or export the bundle again"
        raise TbftError(f"a graph cannot be computed: {_reason(error)}", hint) from error


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
            "give `threads`, or leave it out: one for each core is fastest",
        )
    return threads
