"""Say in numbers how much a layer pads, where its node leaves that to be found."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from tbft_export.graph.operands import auto_pad, ints

_WINDOWS = ("AveragePool", "Conv", "LpPool", "MaxPool")


class ExplicitPaddingPass(ir.passes.InPlacePass):
    """auto_pad SAME_UPPER, SAME_LOWER or VALID, and ceil_mode -> pads, where the sizes of the images are known.

    Networks that were converted from TensorFlow or Keras, or written with `padding="same"`, leave their padding to be
    found; PyTorch's pools may round the size of their result up, for which the last window reaches beyond the image.

        SAME_UPPER, SAME_LOWER   output = ceil(L / s), so that p = max((output - 1) * s + reach - L, 0) in sum, of which
                                 the larger half stands behind or before the image
        VALID                    p = 0
        ceil_mode                as many rows behind the image as the last window needs, if that begins inside of it

    where reach = d * (k - 1) + 1. A ConvTranspose pads what its result would have too many, (L - 1) * s + reach +
    output_padding - Lo; Lo is L * s for SAME, or what `output_shape` says.

    What stays as it is: an AveragePool that rounds up and counts its padding, since it does not count what it adds; and
    where ONNX Runtime computes something else than this.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in model.graph:
            if node.domain not in ("", "ai.onnx"):
                continue
            if node.op_type in _WINDOWS:
                modified |= _make_explicit(node)
            elif node.op_type == "ConvTranspose":
                modified |= _make_explicit_transposed(node)
        return ir.passes.PassResult(model, modified)


@dataclass(frozen=True)
class _Window:
    """One axis of a layer that looks at windows."""

    length: int
    kernel: int
    stride: int
    dilation: int
    begin: int
    end: int

    @property
    def reach(self) -> int:
        return self.dilation * (self.kernel - 1) + 1

    @property
    def missing(self) -> int:
        """How many rows the windows of ceil(length / stride) results need beyond the image."""
        return (-(-self.length // self.stride) - 1) * self.stride + self.reach - self.length

    def same(self, upper: bool) -> tuple[int, int]:
        return _halves(max(self.missing, 0), upper)

    def rounded_up(self) -> tuple[int, int] | None:
        """None where the last window would begin behind the image: PyTorch leaves it out, and ONNX did not always."""
        last = -(-(self.length + self.begin + self.end - self.reach) // self.stride) * self.stride - self.begin
        return None if last >= self.length else (self.begin, max(self.end, last + self.reach - self.length))


def _make_explicit(node: ir.Node) -> bool:
    how = auto_pad(node)
    rounds_up = bool(node.attributes.get_int("ceil_mode", 0))
    windows = _windows(node) if how != "NOTSET" or rounds_up else None
    if windows is None:
        return False
    if how.startswith("SAME") and any(_is_odd(node, window) for window in windows):
        return False
    if how == "VALID":
        windows = [_Window(each.length, each.kernel, each.stride, each.dilation, 0, 0) for each in windows]
    if how.startswith("SAME"):
        pairs = [window.same(how == "SAME_UPPER") for window in windows]
    elif not rounds_up:
        pairs = [(0, 0) for _ in windows]
    else:
        counts = node.attributes.get_int("count_include_pad", 0) and any(each.begin or each.end for each in windows)
        if node.op_type == "AveragePool" and counts:
            return False
        rounded = [window.rounded_up() for window in windows]
        pairs = [pair for pair in rounded if pair is not None]
        if len(pairs) < len(rounded):
            return False
        # Without padding of its own there is none to count.
        node.attributes.pop("count_include_pad", None)
    _set_pads(node, pairs)
    node.attributes.pop("ceil_mode", None)
    return True


def _is_odd(node: ir.Node, window: _Window) -> bool:
    """Where ONNX Runtime computes something else: it forgets a pool's dilation, and moves windows that leave gaps."""
    return (node.op_type == "MaxPool" and window.dilation > 1) or window.missing < -1


def _make_explicit_transposed(node: ir.Node) -> bool:
    """Its result's size is what `output_shape` says, or H * s for SAME."""
    how, output = auto_pad(node), ints(node, "output_shape", ())
    windows = _windows(node) if how != "NOTSET" or output else None
    if windows is None:
        return False
    spare = ints(node, "output_padding", [0] * len(windows))
    if how == "VALID" and not output:
        pairs = [(0, 0) for _ in windows]
    else:
        sizes = output[-len(windows) :] or [window.length * window.stride for window in windows]
        totals = [
            (window.length - 1) * window.stride + window.reach + extra - size
            for window, extra, size in zip(windows, spare, sizes, strict=True)
        ]
        if output and min(totals) < 0:  # More is asked for than it gives.
            return False
        # SAME_UPPER cuts the larger half off the end, all else off the begin.
        pairs = [_halves(max(total, 0), how == "SAME_UPPER") for total in totals]
    _set_pads(node, pairs)
    node.attributes.pop("output_shape", None)
    return True


def _windows(node: ir.Node) -> list[_Window] | None:
    """One for each spatial axis; None where their lengths are not known."""
    x = node.inputs[0]
    if x is None or x.shape is None or len(x.shape) < 3:
        return None
    lengths = [length for length in x.shape[2:] if isinstance(length, int)]
    axes = len(x.shape) - 2
    kernel = ints(node, "kernel_shape", ()) or _kernel_of_weights(node)
    if len(lengths) != axes or len(kernel) != axes:
        return None
    strides, dilations = ints(node, "strides", [1] * axes), ints(node, "dilations", [1] * axes)
    pads = ints(node, "pads", [0] * 2 * axes)
    return [
        _Window(length, size, stride, dilation, begin, end)
        for length, size, stride, dilation, begin, end in zip(
            lengths, kernel, strides, dilations, pads[:axes], pads[axes:], strict=True
        )
    ]


def _kernel_of_weights(node: ir.Node) -> list[int]:
    w = node.inputs[1] if len(node.inputs) > 1 else None
    return [] if w is None or w.shape is None else [size for size in w.shape[2:] if isinstance(size, int)]


def _halves(total: int, upper: bool) -> tuple[int, int]:
    small = total // 2
    return (small, total - small) if upper else (total - small, small)


def _set_pads(node: ir.Node, pairs: list[tuple[int, int]]) -> None:
    pads = [begin for begin, _ in pairs] + [end for _, end in pairs]
    node.attributes.pop("auto_pad", None)
    node.attributes["pads"] = ir.AttrInt64s("pads", pads)
