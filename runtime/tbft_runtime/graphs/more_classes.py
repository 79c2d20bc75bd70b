"""A bundle's graph for more classes than it was compiled for.

The number of classes is nowhere in the arithmetic: products, sums over an axis and broadcasts take whatever comes. It
is only declared, in the dimensions of the last layer's tensors and of what is made of them. So a device needs no
compiler to append a class: it changes what is declared.
"""

from __future__ import annotations

from collections.abc import Callable

from tbft_artifacts.more_classes import head_shapes
from tbft_artifacts.names import GRADIENT_SUFFIX, LOG_MARGINAL, LOGITS, TARGETS
from tbft_artifacts.source import LinearHead
from tbft_runtime.graphs import onnx_schema as onnx
from tbft_runtime.graphs.onnx_file import name_of, parts, rewritten
from tbft_runtime.graphs.protobuf import bytes_field, number_field

# The vectors of the update graph, which hold the tensors of the last layer, too.
_VECTORS = "parameters"


def with_more_classes(model: bytes, head: LinearHead, classes: int) -> bytes:
    """The graph for so many `classes`; `head` names its last layer's tensors."""
    shapes = head_shapes(head, classes)
    open_names = {LOGITS, TARGETS, LOG_MARGINAL, *shapes, *(f"{name}{GRADIENT_SUFFIX}" for name in shapes)}

    def changed(number: int, value: bytes, raw: bytes) -> bytes:
        if number == onnx.GRAPH_VALUE_INFO:
            return b""  # Hints, of which some would be wrong.
        if number == onnx.GRAPH_INITIALIZER:
            name = name_of(value)
            return bytes_field(number, _of_shape(value, shapes[name])) if name in shapes else raw
        if number in (onnx.GRAPH_INPUT, onnx.GRAPH_OUTPUT):
            name = _name_of_value(value)
            is_open = name in open_names or name.startswith(_VECTORS)
            return bytes_field(number, _without_shape(value)) if is_open else raw
        return raw

    return rewritten(model, changed)


def _of_shape(tensor: bytes, shape: tuple[int, ...]) -> bytes:
    """An initializer, whose values lie elsewhere, with other dimensions."""
    dims = b"".join(number_field(onnx.TENSOR_DIMS, size) for size in shape)
    return dims + b"".join(raw for number, _, raw in parts(tensor) if number != onnx.TENSOR_DIMS)


def _name_of_value(value: bytes) -> str:
    """The name of an input or output."""
    return next((part.decode() for number, part, _ in parts(value) if number == onnx.VALUE_NAME), "")


def _without_shape(value: bytes) -> bytes:
    """A declared input or output, of any shape."""
    return _inside(value, onnx.VALUE_TYPE, lambda kind: _inside(kind, onnx.TYPE_TENSOR, _element))


def _element(tensor: bytes) -> bytes:
    """Of a tensor's type what it holds, without its shape."""
    return b"".join(raw for number, _, raw in parts(tensor) if number == onnx.TENSOR_TYPE_ELEMENT)


def _inside(message: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    """A message in which the field of that number is what `change` makes of it."""
    return b"".join(bytes_field(number, change(value)) if key == number else raw for key, value, raw in parts(message))
