"""What a graph does to pixels ahead of its first layer: constants of the data, which are no weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from tbft_artifacts.preprocessing import Normalize
from tbft_export.graph.operands import constant_input

_STEPS = frozenset({"Add", "Div", "Identity", "Mul", "Sub"})
_MIRRORS = frozenset({"Gather", "Slice"})
BYTE = 255
# A graph that divides by more than this, or subtracts more, means pixels from 0 to 255: others would all be one grey.
_SMALLEST_SCALE, _LARGEST_SHIFT = 0.1, 10.0


@dataclass(frozen=True)
class Pixels:
    """How pixels are to be fed, None where the graph does not show it, and the constants that show it."""

    normalize: Normalize | None
    constants: frozenset[str]
    note: str = ""


NO_PIXELS = Pixels(None, frozenset())


def read_normalisation(graph: ir.Graph, *, took_bytes: bool) -> Pixels:
    """Find in `graph`, which maps (N, C, H, W), additions and products per channel ahead of everything else.

    They may stand behind a first Transpose to channels last, and beside one that makes BGR of RGB.

    They make y = scale * x + shift of a pixel x. A scale below 0.1, or a shift beyond 10, is for pixels from 0 to 255,
    any other one for pixels from 0 to 1; `took_bytes` says it outright.
    """
    shape = graph.inputs[0].shape
    channels = shape[1] if shape is not None and len(shape) == len("NCHW") else None
    if not isinstance(channels, int):
        return NO_PIXELS
    scale, shift = np.ones(channels), np.zeros(channels)
    names: set[str] = set()
    begin, axis = _begin(graph.inputs[0])
    for node, index in _steps(begin, axis):
        if node.op_type in _MIRRORS:
            # Red and blue change places.
            scale, shift = scale[::-1], shift[::-1]
            continue
        other = node.inputs[1 - index] if len(node.inputs) > 1 else None
        constant = _per_channel(node, 1 - index, channels, axis)
        if node.op_type == "Identity":
            continue
        if constant is None or other is None or (node.op_type == "Div" and index):
            break
        names.add(other.name or "")
        scale, shift = _apply(node.op_type, scale, shift, constant, is_left=not index)
    if not names and not took_bytes:
        return NO_PIXELS
    by_bytes = took_bytes or bool((abs(scale) < _SMALLEST_SCALE).any() or (abs(shift) > _LARGEST_SHIFT).any())
    std = 1 / BYTE if by_bytes else 1.0
    normalize = Normalize(mean=(0.0,) * channels, std=(std,) * channels)
    why = "takes bytes" if took_bytes else "normalises its input itself, with constants that are not trained"
    assumed = f"the model {why}: it is fed pixels from 0 to {BYTE if by_bytes else 1}; `mean` and `std` say otherwise"
    return Pixels(normalize, frozenset(names), assumed)


def _begin(images: ir.Value) -> tuple[ir.Value, int]:
    """Where to begin, and which axis the channels are: a graph may turn images first."""
    users = [node for node, _ in images.uses()]
    if (
        len(users) == 1
        and users[0].op_type == "Transpose"
        and list(users[0].attributes.get_ints("perm", ()))[-1:] == [1]
    ):
        return users[0].outputs[0], len("NHW")
    return images, 1


def _steps(value: ir.Value, axis: int) -> Iterator[tuple[ir.Node, int]]:
    """Elementwise nodes that alone read each other from `value` on, and which operand each reads it as."""
    while len(value.uses()) == 1:
        (node, index), *_ = value.uses()
        if node.op_type not in _STEPS and not _mirrors(node, axis):
            return
        yield node, index
        value = node.outputs[0]


def _mirrors(node: ir.Node, axis: int) -> bool:
    """Whether a node takes channels the other way round, as from RGB to BGR."""
    operands = [constant_input(node, index) for index in range(1, len(node.inputs))]
    if node.op_type not in _MIRRORS or any(each is None for each in operands):
        return False
    numbers = [np.ravel(each).tolist() for each in operands if each is not None]
    if node.op_type == "Gather":
        return node.attributes.get_int("axis", 0) == axis and numbers[0] == list(range(len(numbers[0])))[::-1]
    # starts, ends, axes, steps; -1 is the last channel.
    return len(numbers) == 4 and numbers[2:] == [[axis], [-1]] and numbers[0] in ([-1], [2]) and numbers[1][0] < -1


def _per_channel(node: ir.Node, index: int, channels: int, axis: int) -> np.ndarray | None:
    """A constant operand as a number per channel; None where it is none, or differs from pixel to pixel."""
    array = constant_input(node, index) if index < len(node.inputs) else None
    if array is None or array.dtype.kind != "f":
        return None
    if array.size == 1:
        return np.full(channels, array.reshape(()), np.float64)
    whole = array.reshape((1,) * (len("NCHW") - array.ndim) + array.shape)
    each = tuple(channels if place == axis else 1 for place in range(len("NCHW")))
    return whole.reshape(-1).astype(np.float64) if whole.shape == each else None


def _apply(
    operator: str, scale: np.ndarray, shift: np.ndarray, by: np.ndarray, *, is_left: bool
) -> tuple[np.ndarray, np.ndarray]:
    match operator:
        case "Add":
            return scale, shift + by
        case "Sub":
            return (scale, shift - by) if is_left else (-scale, by - shift)
        case "Mul":
            return scale * by, shift * by
    return scale / by, shift / by
