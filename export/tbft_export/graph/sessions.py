"""Graphs of a bundle that is being written, run here to check them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from onnx.external_data_helper import ExternalDataInfo
from onnx.helper import tensor_dtype_to_np_dtype

# Fatal ones only: what fails raises an exception, and the log would write names as they are.
_QUIET = 4


# Fusions of ONNX Runtime, and operators of which each needs one: looking in vain takes a quarter of loading.
_NEEDED = {
    **dict.fromkeys(("GeluFusionL1", "GeluFusionL2"), ("Erf",)),
    "FastGeluFusion": ("Tanh",),
    "BiasGeluFusion": ("Erf", "Tanh", "Gelu"),
    "QuickGeluFusion": ("Sigmoid",),
    "SimplifiedLayerNormFusion": ("Pow",),
    **dict.fromkeys(("EmbedLayerNormFusion", "SkipLayerNormFusion"), ("LayerNormalization", "Pow")),
    **dict.fromkeys(("AttentionFusion", "BiasSoftmaxFusion"), ("Softmax",)),
    "BiasDropoutFusion": ("Dropout",),
    **dict.fromkeys(
        ("DynamicQuantizeMatMulFusion", "MatMulIntegerToFloatFusion"), ("DynamicQuantizeLinear", "MatMulInteger")
    ),
    **dict.fromkeys(
        (
            "DoubleQDQPairsRemover",
            "EnsureUniqueDQForNodeUnit",
            "QDQFinalCleanupTransformer",
            "QDQPropagationTransformer",
            "QDQS8ToU8Transformer",
            "QDQSelectorActionTransformer",
        ),
        ("DequantizeLinear", "QuantizeLinear"),
    ),
}

# The types of values that are looked at.
Kind = Literal["bool", "int64"]


class Session:
    """A graph of the bundle in `folder`, with its weights.

    `watched` are values of it that become outputs, too, and their types. One that `runs_once` or twice keeps no memory
    for further runs.
    """

    def __init__(
        self, folder: Path, graph: str, watched: Mapping[str, Kind] | None = None, *, runs_once: bool = False
    ) -> None:
        model = onnx.load(folder / graph, load_external_data=False)
        for name, kind in (watched or {}).items():
            dtype = onnx.TensorProto.BOOL if kind == "bool" else onnx.TensorProto.INT64
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, dtype, None))
        # As on the device, and without a copy for each session.
        self._weights = _mapped(model, folder)
        self._session = _session(model, self._weights, runs_once=runs_once)

    @classmethod
    def of(cls, model: ir.Model) -> Session:
        """A graph that holds its weights."""
        session = cls.__new__(cls)
        session._session = _session(ir.to_proto(model), {})
        return session

    @property
    def input(self) -> str:
        """The name of the first input."""
        name: str = self._session.get_inputs()[0].name
        return name

    def outputs(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every output by name."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, dict(feeds)), strict=True))

    def run(self, value: np.ndarray) -> np.ndarray:
        """The output of a graph with one input and one output."""
        (output,) = self.outputs({self.input: value}).values()
        return output


def _mapped(model: onnx.ModelProto, folder: Path) -> dict[str, ort.OrtValue]:
    """The tensors that `model` refers to, in their files."""
    files: dict[str, np.ndarray] = {}
    found: dict[str, ort.OrtValue] = {}
    for tensor in model.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        info = ExternalDataInfo(tensor)
        if info.location not in files:
            files[info.location] = np.memmap(folder / info.location, np.uint8, "r")
        file = files[info.location]
        assert info.offset is not None
        assert info.length is not None
        values = file[info.offset : info.offset + info.length].view(tensor_dtype_to_np_dtype(tensor.data_type))
        found[tensor.name] = ort.OrtValue.ortvalue_from_numpy(values.reshape(tensor.dims))
    return found


def _session(
    model: onnx.ModelProto, weights: Mapping[str, ort.OrtValue], *, runs_once: bool = False
) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = _QUIET
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # A graph runs once or a few times.
    # An arena has up to twice as much as is needed, and what comes out of a run keeps the whole of it.
    options.enable_cpu_mem_arena = not runs_once
    if weights:
        options.add_external_initializers(list(weights), list(weights.values()))
    return ort.InferenceSession(
        model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=fusions_in_vain(model),
    )


def fusions_in_vain(model: onnx.ModelProto) -> list[str]:
    """What ONNX Runtime need not look for in `model`: it would find none."""
    there = {node.op_type for node in model.graph.node}
    return [fusion for fusion, operators in _NEEDED.items() if there.isdisjoint(operators)]
