"""ONNX models written byte by byte, also such as no library would write. See onnx.proto for the numbers of fields."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tbft_runtime.graphs.protobuf import bytes_field, number_field

FLOAT, INT32, INT64, STRING, BOOL, FLOAT16, DOUBLE = 1, 6, 7, 8, 9, 10, 11
_KINDS: Mapping[str, int] = {"f4": FLOAT, "i4": INT32, "i8": INT64, "b1": BOOL, "f2": FLOAT16, "f8": DOUBLE}
# Kinds of attributes.
_FLOAT, _INT, _STRING, _TENSOR, _GRAPH, _INTS = 1, 2, 3, 4, 5, 7
_SPARSE_TENSOR = 11
OPSET, IR_VERSION = 17, 8

Dims = Sequence[int | str]


@dataclass(frozen=True)
class TensorValue:
    """A tensor as the value of an attribute."""

    content: bytes


@dataclass(frozen=True)
class Subgraph:
    """A graph as the value of an attribute."""

    content: bytes


@dataclass(frozen=True)
class Sparse:
    """A sparse tensor as the value of an attribute."""

    content: bytes


@dataclass(frozen=True)
class Raw:
    """The fields of an attribute but its name, as they are."""

    content: bytes


Attribute = int | float | str | Sequence[int] | TensorValue | Subgraph | Sparse | Raw


def integer(number: int, value: int) -> bytes:
    """A field with an integer, which may be negative."""
    return number_field(number, value & (2**64 - 1))


def tensor(name: str, values: np.ndarray, dims: Sequence[int] | None = None) -> bytes:
    """A TensorProto with its values inside; `dims` may say something else than is true."""
    kind = _KINDS[values.dtype.str[1:]]
    shape = b"".join(integer(1, size) for size in (values.shape if dims is None else dims))
    return shape + number_field(2, kind) + bytes_field(8, name.encode()) + bytes_field(9, values.tobytes())


def external(name: str, location: str, dims: Sequence[int], kind: int = FLOAT, **more: int) -> bytes:
    """A TensorProto whose values lie in a file; `more` are `offset` and `length`."""
    entries: dict[str, str] = {"location": location} | {key: str(value) for key, value in more.items()}
    fields = b"".join(
        bytes_field(13, bytes_field(1, key.encode()) + bytes_field(2, value.encode())) for key, value in entries.items()
    )
    shape = b"".join(integer(1, size) for size in dims)
    return shape + number_field(2, kind) + bytes_field(8, name.encode()) + fields + number_field(14, 1)


def sparse(values: bytes, indices: np.ndarray, dims: Sequence[int]) -> bytes:
    """A SparseTensorProto of two TensorProtos."""
    return bytes_field(1, values) + bytes_field(2, tensor("", indices)) + b"".join(integer(3, size) for size in dims)


def value(name: str, kind: int, dims: Dims | None) -> bytes:
    """A ValueInfoProto of a tensor; sizes that are not fixed have names, and without `dims` nothing is said of any."""
    said = number_field(1, kind)
    if dims is not None:
        sizes = (integer(1, size) if isinstance(size, int) else bytes_field(2, size.encode()) for size in dims)
        said += bytes_field(2, b"".join(bytes_field(1, size) for size in sizes))
    return bytes_field(1, name.encode()) + bytes_field(2, bytes_field(1, said))


def _attribute(name: str, given: Attribute) -> bytes:
    begin = bytes_field(1, name.encode())
    match given:
        case int():
            return begin + integer(3, given) + number_field(20, _INT)
        case float():
            return begin + float_field(2, given) + number_field(20, _FLOAT)
        case str():
            return begin + bytes_field(4, given.encode()) + number_field(20, _STRING)
        case Subgraph():
            return begin + bytes_field(6, given.content) + number_field(20, _GRAPH)
        case Sparse():
            return begin + bytes_field(22, given.content) + number_field(20, _SPARSE_TENSOR)
        case Raw():
            return begin + given.content
        case TensorValue():
            return begin + bytes_field(5, given.content) + number_field(20, _TENSOR)
        case _:
            return begin + b"".join(integer(8, each) for each in given) + number_field(20, _INTS)


def float_field(number: int, given: float) -> bytes:
    """A field with a float32."""
    return bytes([number << 3 | 5]) + struct.pack("<f", given)


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", **attributes: Attribute) -> bytes:
    """A NodeProto."""
    fields = b"".join(bytes_field(1, name.encode()) for name in inputs)
    fields += b"".join(bytes_field(2, name.encode()) for name in outputs)
    fields += bytes_field(4, kind.encode()) + (bytes_field(7, domain.encode()) if domain else b"")
    return fields + b"".join(bytes_field(5, _attribute(name, given)) for name, given in attributes.items())


def constant(output: str, content: bytes) -> bytes:
    """A Constant node of a TensorProto."""
    return node("Constant", [], [output], value=TensorValue(content))


def graph(
    nodes: Sequence[bytes],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    initializers: Sequence[bytes] = (),
    sparse_initializers: Sequence[bytes] = (),
) -> bytes:
    """A GraphProto."""
    parts = ((1, nodes), (5, initializers), (11, inputs), (12, outputs), (15, sparse_initializers))
    return bytes_field(2, b"graph") + b"".join(bytes_field(number, each) for number, all_ in parts for each in all_)


def function(name: str, inputs: Sequence[str], outputs: Sequence[str], nodes: Sequence[bytes], domain: str) -> bytes:
    """A FunctionProto of the model's own."""
    fields = bytes_field(1, name.encode()) + b"".join(bytes_field(4, each.encode()) for each in inputs)
    fields += b"".join(bytes_field(5, each.encode()) for each in outputs)
    fields += b"".join(bytes_field(7, each) for each in nodes)
    return fields + opset("", OPSET, 9) + opset(domain, 1, 9) + bytes_field(10, domain.encode())


def opset(domain: str, version: int, number: int = 8) -> bytes:
    """An entry of opset_import, as a field."""
    return bytes_field(number, bytes_field(1, domain.encode()) + integer(2, version))


def model(
    graph_: bytes,
    opsets: Mapping[str, int] | None = None,
    functions: Sequence[bytes] = (),
    metadata: Mapping[str, str] | None = None,
    ir_version: int = IR_VERSION,
) -> bytes:
    """A ModelProto."""
    content = number_field(1, ir_version) + bytes_field(7, graph_)
    content += b"".join(opset(domain, version) for domain, version in ({"": OPSET} | dict(opsets or {})).items())
    for key, text in (metadata or {}).items():
        content += bytes_field(14, bytes_field(1, key.encode()) + bytes_field(2, text.encode()))
    return content + b"".join(bytes_field(25, each) for each in functions)
