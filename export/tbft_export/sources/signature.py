"""What every forward graph maps: images or signals of one shape to logits."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import InputShape


def check_signature(graph: ir.Graph, name: str) -> None:
    """Raises TbftError unless `graph` maps (N, C, H, W), of known sizes, to (N, classes)."""
    shapes = [value.shape for value in (*graph.inputs, *graph.outputs)]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or any(shape is None for shape in shapes):
        raise TbftError(
            f"model '{name}' has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, not one of each",
            "export a classifier: images in, logits out",
        )
    images, logits = shapes
    assert images is not None
    assert logits is not None
    known = len(images) == 4 and all(isinstance(size, int) and size > 0 for size in images[1:])
    if not known or len(logits) != 2 or not isinstance(logits[1], int):
        raise TbftError(
            f"model '{name}' maps {_sizes(images)} to {_sizes(logits)}, not (N, C, H, W) to (N, classes)",
            "export a classifier of images with fixed channels, height and width",
        )


def _sizes(shape: ir.Shape) -> str:
    """(N, 3, ?, 10): what is not known but the batch is a question."""
    sizes = [str(size) if isinstance(size, int) else "?" for size in shape]
    return f"({', '.join(['N', *sizes[1:]])})"


def input_shape(graph: ir.Graph) -> InputShape:
    """Channels, height and width of what a checked graph takes."""
    shape = graph.inputs[0].shape
    assert shape is not None
    return InputShape(*(int(size) for size in shape[1:]))  # type: ignore[arg-type]


def class_count(graph: ir.Graph) -> int:
    """How many classes the logits of a checked graph have."""
    shape = graph.outputs[0].shape
    assert shape is not None
    return int(shape[1])  # type: ignore[arg-type]
