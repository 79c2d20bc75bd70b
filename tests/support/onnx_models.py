"""Small ONNX models from text, run on the ONNX Runtime that is installed. Host only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort

ERRORS_ONLY = 3


def parse(text: str, **weights: np.ndarray) -> ir.Model:
    """A model of opset 17 from the text of its graph; `weights` become initializers.

    parse("g (float[n, 3] x) => (float[n, 3] y) { y = Mul(x, w) }", w=np.ones(3, np.float32))
    """
    header = '<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>'
    proto = onnx.parser.parse_model(f"{header} {text}")
    for index, node in enumerate(proto.graph.node):
        node.name = f"{node.op_type}_{index}"
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in weights.items())
    return ir.from_proto(proto)


def session(model: ir.Model) -> ort.InferenceSession:
    """Load a model on one thread, without messages."""
    options = ort.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.intra_op_num_threads = 1
    return ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(model: ir.Model, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every output by name."""
    loaded = session(model)
    names = [output.name for output in loaded.get_outputs()]
    return dict(zip(names, loaded.run(names, dict(feeds)), strict=True))


def operators(model: ir.Model) -> list[str]:
    """The operators of the graph in order, without the default domain."""
    return [f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in model.graph]
