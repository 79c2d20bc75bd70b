"""Read and write initializers of an ONNX file without the onnx package.

A protobuf message is a list of fields, each a key (field number and wire type) and a value. Only four
messages matter here (onnx.proto): ModelProto{graph = 7, metadata_props = 14}, GraphProto{initializer =
5}, TensorProto{dims = 1, data_type = 2, name = 8, raw_data = 9}, StringStringEntryProto{key = 1,
value = 2}. Everything else is copied as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

_VARINT, _BYTES = 0, 2
_MODEL_GRAPH = 7
_MODEL_METADATA = 14
_GRAPH_INITIALIZER = 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_TENSOR_EXTERNAL_DATA = 13
_FLOAT = 1


def external_initializers(model: bytes) -> list[str]:
    """Names of the initializers whose values lie outside the file.

    Raises ValueError if `model` is no protobuf message.
    """
    names = []
    for number, value, _ in _fields(_graph(model)):
        if number == _GRAPH_INITIALIZER and any(key == _TENSOR_EXTERNAL_DATA for key, _, _ in _fields(value)):
            names.append(_name(value))
    return names


def embed(model: bytes, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """The same model with the float32 `tensors` inside, and `metadata` added to its properties.

    Initializers that `tensors` does not name are kept.
    """
    graph = bytearray()
    for number, value, raw in _fields(_graph(model)):
        if number != _GRAPH_INITIALIZER or _name(value) not in tensors:
            graph += raw
    for name, tensor in tensors.items():
        graph += bytes_field(_GRAPH_INITIALIZER, _tensor(name, tensor))
    output = bytearray()
    for number, _, raw in _fields(memoryview(model)):
        output += bytes_field(_MODEL_GRAPH, bytes(graph)) if number == _MODEL_GRAPH else raw
    for key, text in metadata.items():
        output += bytes_field(_MODEL_METADATA, bytes_field(1, key.encode()) + bytes_field(2, text.encode()))
    return bytes(output)


def _graph(model: bytes) -> memoryview:
    for number, value, _ in _fields(memoryview(model)):
        if number == _MODEL_GRAPH:
            return value
    raise ValueError("no graph in this file")


def _name(tensor: memoryview) -> str:
    return next((bytes(value).decode() for number, value, _ in _fields(tensor) if number == _TENSOR_NAME), "")


def _tensor(name: str, array: np.ndarray) -> bytes:
    dims = b"".join(number_field(_TENSOR_DIMS, size) for size in array.shape)
    kind = number_field(_TENSOR_TYPE, _FLOAT)
    raw = np.ascontiguousarray(array, "<f4").tobytes()
    return dims + kind + bytes_field(_TENSOR_NAME, name.encode()) + bytes_field(_TENSOR_RAW, raw)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """(field number, value, whole field) of each field; the value of a scalar field is empty."""
    position = 0
    while position < len(message):
        start = position
        key, position = _read_varint(message, position)
        number, wire = key >> 3, key & 7
        value = message[0:0]
        match wire:
            case 0:
                _, position = _read_varint(message, position)
            case 1:
                position += 8
            case 2:
                size, position = _read_varint(message, position)
                value = message[position : position + size]
                position += size
            case 5:
                position += 4
            case _:
                raise ValueError(f"unknown wire type {wire}")
        if position > len(message):
            raise ValueError("the file ends in the middle of a field")
        yield number, value, message[start:position]


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if position >= len(message) or shift > 63:
            raise ValueError("the file ends in the middle of a number")
        byte = message[position]
        result |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return result, position
        shift += 7


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def number_field(number: int, value: int) -> bytes:
    """A serialized field that holds a non-negative integer."""
    return _varint(number << 3 | _VARINT) + _varint(value)


def bytes_field(number: int, content: bytes) -> bytes:
    """A serialized field that holds bytes, a string or a message."""
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content
