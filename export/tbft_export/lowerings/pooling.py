"""Pooling and its gradients."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.convolutions.read import Pair
from tbft_export.graph.emitter import Emitter
from tbft_export.graph.layout import from_spatial_major, to_spatial_major
from tbft_export.graph.operands import has_static_shape, ints, static_shape
from tbft_export.lowerings.registry import lowers


@lowers("", "AveragePool")
def average_pool(emit: Emitter) -> None:
    """y = mean over the windows, spatial-major, where Winograd's form is asked for and the windows tile.

    Each row of H * W pixels is one run of N * C numbers: the pixels of all windows are gathered, first
    by their place in the window, and the mean runs over that place.
    """
    (x,) = emit.node.inputs
    if emit.form != "winograd" or not has_static_shape(x, 4):
        return
    channels, height, width = static_shape(x, emit.node, 4)
    if not windows_tile(emit.node, (height, width)):
        return
    kernel_h, kernel_w = _kernel(emit.node)
    rows, columns = height // kernel_h, width // kernel_w
    pixels = emit.op("Reshape", to_spatial_major(emit, x), [height * width, -1])
    if rows * columns > 1:
        pixels = emit.op("Gather", pixels, _pixels_by_place((height, width), (kernel_h, kernel_w)), axis=0)
    else:
        pixels = emit.op("Unsqueeze", pixels, [1])
    mean = emit.op("ReduceMean", pixels, axes=[0], keepdims=0)
    emit.replace(from_spatial_major(emit, emit.op("Reshape", mean, [rows, columns, -1, channels])))


@lowers("", "AveragePoolGrad")
def average_pool_grad(emit: Emitter) -> None:
    """dX[n, c, y, x] = dY[n, c, y // k, x // k] / k^2, for windows that tile the image; others are no AveragePool.

    dY (N, C, H/k, W/k) -> dX (N, C, H, W). Spatial-major, each pixel is one run that is copied.
    """
    (dy,) = emit.node.inputs
    channels, height, width = static_shape(emit.node.outputs[0], emit.node, 4)
    kernel_h, kernel_w = _kernel(emit.node)
    rows, columns = height // kernel_h, width // kernel_w
    share = emit.op("Mul", to_spatial_major(emit, dy), 1 / (kernel_h * kernel_w))
    pixels = emit.op("Reshape", share, [rows * columns, -1])
    windows = np.arange(rows * columns).reshape(rows, columns)
    source = windows.repeat(kernel_h, axis=0).repeat(kernel_w, axis=1).ravel().astype(np.int32)
    spread = emit.op("Gather", pixels, source, axis=0)
    emit.replace(from_spatial_major(emit, emit.op("Reshape", spread, [height, width, -1, channels])))


def windows_tile(node: ir.Node, image: Pair) -> bool:
    """Whether the windows of an AveragePool cover the image once: stride = kernel, no padding, nothing cut off."""
    kernel = _kernel(node)
    strides = tuple(ints(node, "strides", (1, 1)))
    # A kernel that divides the image needs no padding either where `auto_pad` chooses it.
    fits = all(size % length == 0 for size, length in zip(image, kernel, strict=True))
    return strides == kernel and not any(ints(node, "pads", ())) and fits


def _kernel(node: ir.Node) -> Pair:
    height, width = node.attributes["kernel_shape"].as_ints()
    return height, width


def _pixels_by_place(image: Pair, kernel: Pair) -> np.ndarray:
    """(kh * kw, windows): the pixel at each place of each window."""
    height, width = image
    numbers = np.arange(height * width).reshape(height // kernel[0], kernel[0], width // kernel[1], kernel[1])
    return numbers.transpose(1, 3, 0, 2).reshape(kernel[0] * kernel[1], -1).astype(np.int32)


@lowers("", "MaxPoolGrad")
def max_pool_grad(emit: Emitter) -> None:
    """dX = zeros(X.shape).flat; dX[indices] += dY, where indices are those that MaxPool returned.

    dY, indices (N, C, Ho, Wo) -> dX (N, C, H, W), or of any other number of axes. ONNX numbers the indices over the
    whole flat input, so one ScatterElements with `reduction = add` handles overlapping windows. Refuses images of
    unknown size.
    """
    dy, indices = emit.node.inputs
    shape = emit.node.outputs[0].shape
    sizes = [size for size in shape[1:] if isinstance(size, int)] if shape is not None else []
    if shape is None or len(sizes) != len(shape) - 1:
        raise TbftError(
            f"operator MaxPool at node '{emit.node.name}' reads an image whose size is not known",
            "write sizes as numbers in the model, or train a block behind it",
        )
    batch = emit.op("Shape", dy, start=0, end=1)
    elements = emit.op("Mul", batch, [math.prod(sizes)])
    zeros = emit.op("ConstantOfShape", elements)
    flat = [-1]
    scattered = emit.op(
        "ScatterElements",
        zeros,
        emit.op("Reshape", indices, flat),
        emit.op("Reshape", dy, flat),
        axis=0,
        reduction="add",
    )
    emit.replace(emit.op("Reshape", scattered, [-1, *sizes]))
