"""Of what a graph takes, images as a device feeds them: float32, and of one shape."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.sources.given_shape import GivenShape

_TAKEN = frozenset(
    {*(ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.BFLOAT16, ir.DataType.DOUBLE), ir.DataType.UINT8}
)
# What only moves images.
_MOVES = frozenset({"Flatten", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})


def check_one_input(graph: ir.Graph, name: str) -> None:
    """Raises TbftError if there is more than one input, or none, or one of other numbers than floats and bytes."""
    if len(graph.inputs) != 1:
        listed = ", ".join(value.name or "" for value in graph.inputs)
        raise TbftError(
            f"model '{name}' has {len(graph.inputs)} inputs, not one: {listed}",
            "export a classifier that takes images and nothing else; what else it takes can be a constant in it",
        )
    kind = graph.inputs[0].dtype
    if kind not in _TAKEN:
        raise TbftError(
            f"model '{name}' takes {'no tensor' if kind is None else f'tensors of {kind.name.lower()}'}, not images",
            "export a classifier of images in float32 or in bytes",
        )


def take_floats(graph: ir.Graph) -> bool:
    """Let a graph that takes bytes take floats from 0 to 255; whether it took bytes."""
    images = graph.inputs[0]
    if images.dtype != ir.DataType.UINT8:
        return False
    images.dtype = ir.DataType.FLOAT
    waiting = [images]
    while waiting:
        value = waiting.pop()
        for node, index in list(value.uses()):
            output = node.outputs[0]
            if node.op_type == "Cast":
                output.replace_all_uses_with(value)
                graph.remove(node, safe=True)
            elif node.op_type in _MOVES:
                output.dtype = ir.DataType.FLOAT
                waiting.append(output)
            else:  # It computes with bytes.
                cast = ir.node("Cast", [value], {"to": int(ir.DataType.UINT8)}, name=f"{node.name}.bytes")
                graph.insert_before(node, cast)
                node.replace_input_with(index, cast.outputs[0])
    return True


def fix_shape(graph: ir.Graph, name: str, given: GivenShape) -> None:
    """Give images the shape that the file says, or what is `given` where it leaves that open; the batch stays open.

    Raises TbftError where neither says it.
    """
    images = graph.inputs[0]
    shape = images.shape
    if shape is None or len(shape) not in (len("NCL"), len("NCHW")):
        return
    wanted = (None, given.channels, *(given.sides or (None, None))[-(len(shape) - 2) :])
    fixed = [size if isinstance(size, int) else said for size, said in zip(shape.dims, wanted, strict=True)]
    for size, option in zip(fixed[1:], ("channels", "image_size", "image_size"), strict=False):
        if size is None:
            what = "images of any size" if option == "image_size" else "any number of channels"
            raise TbftError(f"model '{name}' takes {what}", f"give the one to train with: `{option}`")
    images.shape = ir.Shape([shape[0], *fixed[1:]])
