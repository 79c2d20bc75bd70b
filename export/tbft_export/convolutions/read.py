"""A 2-D convolution as its node describes it: attributes and sizes."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.operands import has_static_shape, ints, static_shape, uses_auto_pad

Pair = tuple[int, int]


@dataclass(frozen=True)
class Convolution:
    """x (N, channels, *image), w (filters, channels / group, *kernel) -> y (N, filters, *output)."""

    group: int
    strides: Pair
    pads: tuple[int, int, int, int]
    dilations: Pair
    channels: int
    image: Pair
    filters: int
    kernel: Pair

    @property
    def output(self) -> Pair:
        rows, columns = (
            (self.image[axis] + self.pads[axis] + self.pads[axis + 2] - self._reach(axis)) // self.strides[axis] + 1
            for axis in (0, 1)
        )
        return rows, columns

    @property
    def shifts(self) -> list[tuple[Pair, Pair]]:
        """For each kernel position, row by row, which pixels of the padded x it meets: the first, and the end."""
        rows, columns = ((self.output[axis] - 1) * self.strides[axis] + 1 for axis in (0, 1))
        tops = [a * self.dilations[0] for a in range(self.kernel[0])]
        lefts = [b * self.dilations[1] for b in range(self.kernel[1])]
        return [((top, left), (top + rows, left + columns)) for top in tops for left in lefts]

    @property
    def output_padding(self) -> list[int]:
        """Rows and columns of x that no window starts in, at the end: ConvTranspose adds them."""
        return [
            self.image[axis]
            + self.pads[axis]
            + self.pads[axis + 2]
            - ((self.output[axis] - 1) * self.strides[axis] + self._reach(axis))
            for axis in (0, 1)
        ]

    @property
    def is_plain(self) -> bool:
        """Stride 1, and padding that a flipped convolution can undo."""
        return self.strides == (1, 1) and all(self.pads[index] <= self._reach(index % 2) - 1 for index in range(4))

    @property
    def is_depthwise(self) -> bool:
        """One filter per channel, which sees that channel alone."""
        return self.group == self.channels == self.filters

    @property
    def flipped_pads(self) -> tuple[int, int, int, int]:
        """Padding of the convolution of dY that gives dX; only if `is_plain`."""
        top, left, bottom, right = (self._reach(index % 2) - 1 - self.pads[index] for index in range(4))
        return top, left, bottom, right

    def _reach(self, axis: int) -> int:
        """How many rows (or columns) one window covers."""
        return self.dilations[axis] * (self.kernel[axis] - 1) + 1


def is_readable(node: ir.Node) -> bool:
    """Whether a Conv is one that `read_convolution` takes."""
    x, w = node.inputs[:2]
    return not uses_auto_pad(node) and has_static_shape(x, 4) and has_static_shape(w, 4)


def read_convolution(node: ir.Node, x: ir.Value | None, w: ir.Value | None) -> Convolution:
    """The convolution of `x` with `w` that `node` computes or differentiates.

    Raises TbftError for 1-D and 3-D convolutions, `auto_pad`, and images whose size is not known.
    """
    if w is None or w.shape is None or len(w.shape) != 4:
        raise TbftError(
            f"operator {node.op_type} at node '{node.name}' is not a 2-D convolution",
            "only 1-D and 2-D convolutions can be trained, or train a block behind it",
        )
    if uses_auto_pad(node):
        raise TbftError(
            f"operator {node.op_type} at node '{node.name}' uses auto_pad",
            "export the model with explicit padding",
        )
    if not has_static_shape(x, 4):
        raise TbftError(
            f"operator {node.op_type} at node '{node.name}' reads an image whose size is not known",
            "write sizes as numbers in the model; do not compute them from the shape of a tensor",
        )
    filters, _, kernel_h, kernel_w = w.shape.numpy()
    channels, height, width = static_shape(x, node, 4)
    return Convolution(
        group=node.attributes.get_int("group", 1),
        strides=tuple(ints(node, "strides", (1, 1))),  # type: ignore[arg-type]
        pads=tuple(ints(node, "pads", (0, 0, 0, 0))),  # type: ignore[arg-type]
        dilations=tuple(ints(node, "dilations", (1, 1))),  # type: ignore[arg-type]
        channels=channels,
        image=(height, width),
        filters=filters,
        kernel=(kernel_h, kernel_w),
    )
