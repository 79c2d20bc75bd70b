"""Import ONNX Runtime and run a convolution: `python -m tbft_runtime.doctor.probe`.

A process of its own, since a wheel built for other CPUs ends in an illegal instruction. Prints the
version of ONNX Runtime and whether its telemetry is off.
"""

from __future__ import annotations

import os
import sys

import numpy as np

from tbft_runtime.graphs.check_graph import BUNDLE_RULES, check_graph
from tbft_runtime.graphs.graph_file import GraphFile
from tbft_runtime.graphs.protobuf import bytes_field, number_field
from tbft_runtime.graphs.sessions import load_graph, onnxruntime_version

_FLOAT = 1
_OPSET, _IR_VERSION = 17, 8


def conv_model() -> bytes:
    """Y = Conv(x, w) with x (1, 1, 4, 4) and w (1, 1, 3, 3): a serialized ModelProto."""
    node = bytes_field(1, b"x") + bytes_field(1, b"w") + bytes_field(2, b"y") + bytes_field(4, b"Conv")
    graph = bytes_field(1, node) + bytes_field(2, b"probe")
    graph += bytes_field(11, _value(b"x", 4)) + bytes_field(11, _value(b"w", 3)) + bytes_field(12, _value(b"y", 2))
    return number_field(1, _IR_VERSION) + bytes_field(7, graph) + bytes_field(8, number_field(2, _OPSET))


def _value(name: bytes, side: int) -> bytes:
    """ValueInfoProto of a float tensor (1, 1, side, side)."""
    shape = b"".join(bytes_field(1, number_field(1, size)) for size in (1, 1, side, side))
    tensor = number_field(1, _FLOAT) + bytes_field(2, shape)
    return bytes_field(1, name) + bytes_field(2, bytes_field(1, tensor))


def main() -> None:
    """Raises whatever ONNX Runtime raises; a wrong result ends with exit code 1."""
    model = conv_model()
    graph = load_graph(GraphFile(model, check_graph(model, BUNDLE_RULES, "probe"), "probe"), {}, 1)
    outputs = graph.run({"x": np.ones((1, 1, 4, 4), np.float32), "w": np.ones((1, 1, 3, 3), np.float32)})
    if not np.array_equal(outputs["y"], np.full((1, 1, 2, 2), 9, np.float32)):
        sys.exit("a convolution of ones gave a wrong result")
    telemetry = "off" if os.environ.get("ORT_DISABLE_TELEMETRY") == "1" else "on"
    sys.stdout.write(f"{onnxruntime_version()} {telemetry}\n")


if __name__ == "__main__":
    main()
