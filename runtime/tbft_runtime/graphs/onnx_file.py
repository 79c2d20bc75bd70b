"""Change parts of an ONNX file without the onnx package; everything else is copied as it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np

from tbft_runtime.graphs.onnx_schema import (
    FLOAT32,
    GRAPH_INITIALIZER,
    GRAPH_NODE,
    INT64,
    MODEL_GRAPH,
    MODEL_METADATA,
    TENSOR_DIMS,
    TENSOR_EXTERNAL,
    TENSOR_NAME,
    TENSOR_RAW,
    TENSOR_TYPE,
)
from tbft_runtime.graphs.protobuf import BYTES, bytes_field, fields, number_field

# Fields of a NodeProto.
_INPUT, _OUTPUT, _OPERATOR = 1, 2, 4
_ONE, _COUNTED = b"tbft_edge.one", b"#counted"


def external_initializers(model: bytes) -> list[str]:
    """Names of the initializers whose values lie outside the file.

    Raises ValueError if `model` is no protobuf message.
    """
    names = []
    for number, value, _ in parts(_graph(model)):
        if number == GRAPH_INITIALIZER and any(key == TENSOR_EXTERNAL for key, _, _ in parts(value)):
            names.append(name_of(value))
    return names


def rewritten(
    model: bytes, change: Callable[[int, bytes, bytes], bytes], *, ahead: bytes = b"", behind: bytes = b""
) -> bytes:
    """The same model, in whose graph each field (its number, its value, the whole of it) is what `change` makes of it.

    Fields of the graph come `ahead` of these and `behind` them. Raises ValueError if `model` is no protobuf message, or
    has no graph.
    """
    graph = ahead + b"".join(change(*part) for part in parts(_graph(model))) + behind
    return b"".join(
        bytes_field(MODEL_GRAPH, graph) if number == MODEL_GRAPH else raw for number, _, raw in parts(model)
    )


def embed(model: bytes, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """The same model with the float32 `tensors` inside, and `metadata` added to its properties.

    Initializers that `tensors` does not name are kept.
    """
    given = {name: bytes_field(GRAPH_INITIALIZER, _tensor(name, tensor)) for name, tensor in tensors.items()}

    def others(number: int, value: bytes, raw: bytes) -> bytes:
        return b"" if number == GRAPH_INITIALIZER and name_of(value) in given else raw

    said = (bytes_field(1, key.encode()) + bytes_field(2, text.encode()) for key, text in metadata.items())
    return rewritten(model, others, behind=b"".join(given.values())) + b"".join(
        bytes_field(MODEL_METADATA, entry) for entry in said
    )


def with_sizes_above_0(model: bytes, sizes: Collection[bytes]) -> bytes:
    """The same model, in which these results of `Size` are 1 where the tensor is empty.

    The processor ends a process that divides integers by 0, and no exporter writes what divides by an empty tensor's.
    """
    if not sizes:
        return model
    one = number_field(TENSOR_TYPE, INT64) + bytes_field(TENSOR_NAME, _ONE)

    def counted(number: int, value: bytes, raw: bytes) -> bytes:
        made = [part for key, part, _ in parts(value) if key == _OUTPUT] if number == GRAPH_NODE else []
        return _counted(value, made[0]) if made and made[0] in sizes else raw

    constant = bytes_field(GRAPH_INITIALIZER, one + bytes_field(TENSOR_RAW, (1).to_bytes(8, "little")))
    return rewritten(model, counted, ahead=constant)


def _counted(size: bytes, name: bytes) -> bytes:
    """Two nodes in the place of `size`, which makes `name`: itself, and the larger one of what it makes and 1."""
    renamed = b"".join(
        bytes_field(_OUTPUT, name + _COUNTED) if number == _OUTPUT else raw for number, _, raw in parts(size)
    )
    largest = bytes_field(_INPUT, name + _COUNTED) + bytes_field(_INPUT, _ONE)
    largest += bytes_field(_OUTPUT, name) + bytes_field(_OPERATOR, b"Max")
    return bytes_field(GRAPH_NODE, renamed) + bytes_field(GRAPH_NODE, largest)


def _graph(model: bytes) -> bytes:
    for number, value, _ in parts(model):
        if number == MODEL_GRAPH:
            return value
    raise ValueError("no graph in this file")


def name_of(tensor: bytes) -> str:
    """The name of an initializer."""
    return next((value.decode() for number, value, _ in parts(tensor) if number == TENSOR_NAME), "")


def _tensor(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(number_field(TENSOR_DIMS, size) for size in array.shape)
    kind = number_field(TENSOR_TYPE, FLOAT32)
    raw = np.ascontiguousarray(array, "<f4").tobytes()
    return dims + kind + bytes_field(TENSOR_NAME, name.encode()) + bytes_field(TENSOR_RAW, raw)


def parts(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(field number, value, whole field) of each field; the value of a scalar field is empty."""
    start = 0
    for number, wire, value, end in fields(message, 0, len(message)):
        yield number, message[value:end] if wire == BYTES else b"", message[start:end]
        start = end
