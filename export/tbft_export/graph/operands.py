"""What a node says of its operands: constants, sizes, and attributes that may be left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from tbft_export.graph.refusal import refusal


def constant_input(node: ir.Node, index: int) -> np.ndarray | None:
    """The operand of that number; None where there is none, or where it is no constant."""
    value = node.inputs[index] if index < len(node.inputs) else None
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def ints(node: ir.Node, name: str, default: Sequence[int]) -> list[int]:
    """The integers of an attribute; `default` where it is left out or empty."""
    return list(node.attributes.get_ints(name, ()) or default)


def uses_auto_pad(node: ir.Node) -> bool:
    """Whether the operator finds its padding itself, so that `pads` does not say it."""
    return auto_pad(node) != "NOTSET"


def auto_pad(node: ir.Node) -> str:
    """How the operator finds its padding; NOTSET: as `pads` says."""
    return node.attributes.get_string("auto_pad", "NOTSET") or "NOTSET"


def static_shape(value: ir.Value | None, node: ir.Node, rank: int) -> tuple[int, ...]:
    """The dimensions of `value` after the batch; raises ValueError if one of them is not known."""
    shape = None if value is None else value.shape
    if shape is None or not has_static_shape(value, rank):
        raise ValueError(f"node '{node.name}' ({node.op_type}) needs the shape of its input, found {shape}")
    return tuple(int(dim) for dim in shape[1:])  # type: ignore[arg-type]


def has_static_shape(value: ir.Value | None, rank: int) -> bool:
    """Whether `value` has this rank and every dimension after the batch is known."""
    shape = None if value is None else value.shape
    return shape is not None and len(shape) == rank and all(isinstance(dim, int) for dim in shape[1:])


def known_length(node: ir.Node, shape: ir.Shape, axis: int) -> int:
    """How long that axis of an operand with `shape` is; raises TbftError for the batch, and others left open."""
    length = shape[axis]
    if not isinstance(length, int):
        raise refusal(
            node,
            "works along an axis whose length is not known, such as the batch",
            "let it work along an axis behind the batch, of a fixed size",
        )
    return length
