"""What every forward graph maps: square RGB images to logits."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.errors import TbftError

CHANNELS = 3


def check_signature(graph: ir.Graph, name: str) -> None:
    """Raises TbftError unless `graph` maps (N, 3, S, S), of a known size, to (N, classes)."""
    shapes = [value.shape for value in (*graph.inputs, *graph.outputs)]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or any(shape is None for shape in shapes):
        raise TbftError(
            f"model '{name}' has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, not one of each",
            "export a classifier: images in, logits out",
        )
    images, logits = shapes
    assert images is not None
    assert logits is not None
    square = len(images) == 4 and images[1] == CHANNELS and isinstance(images[2], int) and images[2] == images[3]
    if not square or len(logits) != 2 or not isinstance(logits[1], int):
        raise TbftError(
            f"model '{name}' maps {list(images)} to {list(logits)}, not (N, {CHANNELS}, S, S) to (N, classes)",
            "export a classifier of square RGB images with fixed size",
        )


def class_count(graph: ir.Graph) -> int:
    """How many classes the logits of a checked graph have."""
    shape = graph.outputs[0].shape
    assert shape is not None
    return int(shape[1])  # type: ignore[arg-type]
