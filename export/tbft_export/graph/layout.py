"""The two layouts of image tensors: ONNX's (N, C, H, W), and spatial-major, (H, W, N, C).

Lowerings that work spatial-major turn their operands on the way in and their results on the way out;
`SpatialMajorLayoutPass` then removes the turns between neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import onnx_ir as ir

from tbft_export.graph.emitter import Emitter
from tbft_export.graph.operands import ints

_T = TypeVar("_T")

# Its own inverse: the same permutation leads there and back.
SPATIAL_MAJOR = (2, 3, 0, 1)
_TURNS_BACK = "turns_back"


def to_spatial_major(emit: Emitter, value: ir.Value | None) -> ir.Value:
    """(N, C, H, W) -> (H, W, N, C)."""
    return emit.op("Transpose", value, perm=SPATIAL_MAJOR)


def from_spatial_major(emit: Emitter, value: ir.Value) -> ir.Value:
    """(H, W, N, C) -> (N, C, H, W)."""
    turned = emit.op("Transpose", value, perm=SPATIAL_MAJOR)
    mark_turned_back(turned)
    return turned


def mark_turned_back(value: ir.Value) -> None:
    """Remember that `value`, (N, C, H, W), is the turned form of a spatial-major one."""
    value.meta[_TURNS_BACK] = True


def is_turn(node: ir.Node) -> bool:
    """Whether `node` leads from one layout to the other."""
    return node.op_type == "Transpose" and tuple(ints(node, "perm", ())) == SPATIAL_MAJOR


def turns_back(node: ir.Node) -> bool:
    """Whether `node` leads from spatial-major to (N, C, H, W)."""
    return is_turn(node) and node.outputs[0].meta.get(_TURNS_BACK, False)


def permuted(dims: Sequence[_T]) -> list[_T]:
    """What belongs to the four dimensions of one layout, in the order of the other."""
    return [dims[axis] for axis in SPATIAL_MAJOR]
