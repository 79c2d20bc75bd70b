"""A tensor of an ONNX file: where its values are, and whether they fit its shape."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tbft_runtime.graphs import onnx_schema as onnx
from tbft_runtime.graphs.protobuf import Field, message, numbers

# Of an axis; more is no size of anything that a device holds.
_LONGEST_AXIS = 1 << 31
# A divisor of this size is a constant of the compiler; nobody reads a larger one number by number.
_MOST_DIVISORS = 4096


@dataclass(frozen=True)
class Tensor:
    """`bytes` are those of its values, wherever they are."""

    name: bytes
    element: int
    bytes: int
    is_external: bool
    is_positive: bool
    """Whether all its values are known to be integers above 0."""


def read_tensor(content: bytes, field: Field) -> Tensor:
    """The tensor in `field`. Raises ValueError for one of strings, or with more values than its bytes hold."""
    found = message(content, field[2], field[3], onnx.TENSOR, "a tensor")
    single = {number: (value, end) for number, _, value, end in found}
    start, end = single.get(onnx.TENSOR_NAME, (0, 0))
    name = content[start:end]
    shown = name[:100].decode()
    dims = [size for each in found if each[0] == onnx.TENSOR_DIMS for size in numbers(content, each)]
    if len(dims) > 16 or not all(0 <= size <= _LONGEST_AXIS for size in dims):
        raise ValueError(f"tensor '{shown}' has no possible shape")
    element = single.get(onnx.TENSOR_TYPE, (0, 0))[0]
    if element not in onnx.ELEMENT_BYTES:
        raise ValueError(f"tensor '{shown}' is none of numbers")
    size = math.prod(dims) * onnx.ELEMENT_BYTES[element]
    location = single.get(onnx.TENSOR_LOCATION, (0, 0))[0]
    is_external = location != 0 or onnx.TENSOR_EXTERNAL in single
    raw = single.get(onnx.TENSOR_RAW)
    typed = [each for each in found if each[0] in onnx.TENSOR_TYPED]
    held = sum(end - value if wire else 1 for _, wire, value, end in typed)
    if is_external:
        if raw is not None or typed or location != 1 or onnx.TENSOR_EXTERNAL not in single:
            raise ValueError(f"tensor '{shown}' lies in this file and in another one")
    elif raw is not None:
        if typed or raw[1] - raw[0] != size:
            raise ValueError(f"tensor '{shown}' has {raw[1] - raw[0]:,} bytes, and its shape {size:,}")
    elif math.prod(dims) > held:
        raise ValueError(f"tensor '{shown}' has fewer values than its shape says")
    return Tensor(name, element, size, is_external, not is_external and _is_positive(content, element, raw, typed))


def _is_positive(content: bytes, element: int, raw: tuple[int, int] | None, typed: list[Field]) -> bool:
    if element not in onnx.INTEGERS:
        return False
    width = onnx.ELEMENT_BYTES[element]
    if raw is not None:
        start, end = raw
        is_signed = onnx.INTEGERS[element]
        if end - start > _MOST_DIVISORS * width:
            return False
        values = [
            int.from_bytes(content[at : at + width], "little", signed=is_signed) for at in range(start, end, width)
        ]
    elif sum(end - value if wire else 1 for _, wire, value, end in typed) > _MOST_DIVISORS:
        return False
    else:
        values = [value for each in typed for value in numbers(content, each)]
    return bool(values) and all(0 < value < 1 << 31 for value in values)
