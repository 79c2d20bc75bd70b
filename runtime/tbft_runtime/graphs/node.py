"""A node of an ONNX graph, as far as it has to be known."""

from __future__ import annotations

from typing import NamedTuple

from tbft_runtime.graphs import onnx_schema as onnx
from tbft_runtime.graphs.protobuf import BYTES, MOST_FIELDS, Field, message, varint
from tbft_runtime.graphs.tensor import Tensor, read_tensor

# Fields of a NodeProto, all of which hold bytes.
_INPUT, _OUTPUT, _NAME, _OPERATOR, _ATTRIBUTE, _DOC, _DOMAIN, _OVERLOAD, _METADATA = (
    number << 3 | BYTES for number in (1, 2, 3, 4, 5, 6, 7, 8, 9)
)
_TEXTS = frozenset({_NAME, _OPERATOR, _DOC, _DOMAIN, _OVERLOAD, _METADATA})
# Longer attributes hold data, and are there once.
_LONGEST_KEPT = 200


class Node(NamedTuple):
    """`integers` and `tensors` are attributes; an attribute that is another graph is not read."""

    name: bytes
    operator: bytes
    domain: bytes
    inputs: tuple[bytes, ...]
    outputs: tuple[bytes, ...]
    integers: dict[bytes, int]
    tensors: tuple[Tensor, ...]
    has_graph: bool

    @property
    def constant(self) -> Tensor | None:
        """The tensor that is its only attribute."""
        return self.tensors[0] if len(self.tensors) == 1 and list(self.integers) == [b"value"] else None


class NodeReader:
    """Reads nodes of one file, in which most attributes are there many times."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._attributes: dict[bytes, _Attribute] = {}

    def read(self, field: Field) -> Node:
        """The node in `field`. Raises ValueError for fields that are there twice, or that only functions have."""
        content = self._content
        inputs: list[bytes] = []
        outputs: list[bytes] = []
        integers: dict[bytes, int] = {}
        tensors: tuple[Tensor, ...] = ()
        has_graph = False
        texts: dict[int, bytes] = {}
        # What `message` does, for fields that all hold bytes: most of a file is nodes.
        _, _, position, end = field
        while position < end:
            key, size = content[position], content[position + 1]
            if key > 0x7F or size > 0x7F:
                key, position = varint(content, position, end)
                size, position = varint(content, position, end)
            else:
                position += 2
            stop = position + size
            if stop > end:
                raise ValueError("the file ends in the middle of a node")
            if key == _INPUT:
                inputs.append(content[position:stop])
            elif key == _OUTPUT:
                outputs.append(content[position:stop])
            elif key == _ATTRIBUTE:
                found = self._attribute(content[position:stop])
                if found.name in integers:
                    raise ValueError("a node has an attribute twice")
                integers[found.name] = found.integer
                tensors += found.tensors
                has_graph |= found.is_graph
            elif key not in _TEXTS or key in texts:
                raise ValueError(f"field {key >> 3} of a node is there twice, or none that is known")
            elif key != _METADATA:
                texts[key] = content[position:stop]
            position = stop
        if len(inputs) + len(outputs) > MOST_FIELDS:
            raise ValueError(f"a node has more than {MOST_FIELDS:,} parts")
        if texts.get(_OVERLOAD):
            raise ValueError("a node calls a function")
        name, operator, domain = (texts.get(key, b"") for key in (_NAME, _OPERATOR, _DOMAIN))
        return Node(name, operator, domain, tuple(inputs), tuple(outputs), integers, tensors, has_graph)

    def _attribute(self, content: bytes) -> _Attribute:
        found = self._attributes.get(content)
        if found is None:
            found = _read_attribute(content)
            if len(content) <= _LONGEST_KEPT:
                self._attributes[content] = found
        return found


class _Attribute(NamedTuple):
    name: bytes
    integer: int
    tensors: tuple[Tensor, ...]
    is_graph: bool


def _read_attribute(content: bytes) -> _Attribute:
    name = b""
    integer = 0
    tensors: list[Tensor] = []
    is_graph = False
    for part in message(content, 0, len(content), onnx.ATTRIBUTE, "an attribute"):
        number, _, value, end = part
        if number == onnx.ATTRIBUTE_NAME:
            name = content[value:end]
        elif number == onnx.ATTRIBUTE_INT:
            integer = value
        elif number in (onnx.ATTRIBUTE_TENSOR, onnx.ATTRIBUTE_TENSORS):
            tensors.append(read_tensor(content, part))
        elif number in onnx.ATTRIBUTE_GRAPHS:
            is_graph = True
        elif number in onnx.ATTRIBUTE_OTHERS:
            raise ValueError("an attribute of a node is no plain value")
    return _Attribute(name, integer, tuple(tensors), is_graph)
