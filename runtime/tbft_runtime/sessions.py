"""Graphs of a bundle as ONNX Runtime sessions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_runtime.onnx_file import external_initializers

# ONNX Runtime writes a device id into the user's cache folder unless told so before it is imported; a
# device that trains on private data must not.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

Tensors = Mapping[str, np.ndarray]
ERRORS_ONLY = 3


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
        """Compute every output. Scalars are 0-d arrays."""
        return dict(zip(self.outputs, self._session.run(self.outputs, dict(feeds)), strict=True))


def load_graph(path: Path, weights: Tensors, threads: int) -> Graph:
    """Load the graph at `path`; the weights that it refers to are taken from `weights`.

    Raises TbftError if the file cannot be loaded.
    """
    try:
        return graph_from_bytes(path.read_bytes(), weights, threads)
    except KeyError as error:
        raise TbftError(f"graph '{path}' needs weight {error}, which the bundle lacks", "export it again") from error
    except Exception as error:  # OSError, ValueError, and ONNX Runtime's, which share no base
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TbftError(f"graph '{path}' cannot be loaded: {reason}", "copy or export it again") from error


def graph_from_bytes(model: bytes, weights: Tensors, threads: int) -> Graph:
    """Load a serialized model.

    Weights are handed over as initializers, not inputs, so that ONNX Runtime folds and packs them once.
    Raises KeyError for a weight that is missing, and what ONNX Runtime raises.
    """
    names = external_initializers(model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    values = [ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(weights[name])) for name in names]
    if names:
        options.add_external_initializers(names, values)
    return Graph(ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]), values)


def onnxruntime_version() -> str:
    """The version of ONNX Runtime that computes."""
    return str(ort.__version__)


def default_threads() -> int:
    """As many threads as this process may use cores."""
    return len(os.sched_getaffinity(0))
