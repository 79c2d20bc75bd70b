"""Of what a graph takes, images as a device feeds them: float32, channels first, of one size."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from tbft_artifacts.errors import TbftError
from tbft_export.graph.nodes import initializer
from tbft_export.graph.operands import constant_input
from tbft_export.sources.given_shape import GivenShape

_TO_CHANNELS_FIRST = (0, 3, 1, 2)
_LAST = 3


def check_one_input(graph: ir.Graph, name: str) -> ir.Value:
    """The only input. Raises TbftError if there are others, or none."""
    if len(graph.inputs) != 1:
        listed = ", ".join(value.name or "" for value in graph.inputs)
        raise TbftError(
            f"model '{name}' has {len(graph.inputs)} inputs, not one: {listed}",
            "export a classifier that takes images and nothing else; what else it takes can be a constant in it",
        )
    return graph.inputs[0]


def take_floats(graph: ir.Graph) -> bool:
    """Let a graph that takes bytes take floats from 0 to 255; whether it took bytes."""
    images = graph.inputs[0]
    if images.dtype != ir.DataType.UINT8:
        return False
    images.dtype = ir.DataType.FLOAT
    waiting = [images]
    while waiting:
        value = waiting.pop()
        for node, _ in list(value.uses()):
            output = node.outputs[0]
            if node.op_type == "Cast":
                output.replace_all_uses_with(value)
                graph.remove(node, safe=True)
            elif node.op_type in ("Transpose", "Identity", "Reshape", "Slice", "Gather", "Unsqueeze"):
                output.dtype = ir.DataType.FLOAT
                waiting.append(output)
    return True


def take_channels_first(graph: ir.Graph) -> bool:
    """Let a graph that takes (N, H, W, C) and turns that at once take (N, C, H, W); whether it did.

    Where something is computed per channel before it turns the images, it turns them first.
    """
    images = graph.inputs[0]
    shape = images.shape
    if shape is None or len(shape) != len(_TO_CHANNELS_FIRST) or not _has_channels_last(shape):
        return False
    nodes, turn = _chain(images)
    if turn is None:
        return False
    for node in nodes:
        _turn_constants(graph, node)
    turn.outputs[0].replace_all_uses_with(turn.inputs[0])  # type: ignore[arg-type]
    graph.remove(turn, safe=True)
    images.shape = ir.Shape([shape[axis] for axis in _TO_CHANNELS_FIRST])
    for node in nodes:
        node.outputs[0].shape = None
    return True


def _has_channels_last(shape: ir.Shape) -> bool:
    channels = shape[_LAST]
    return isinstance(channels, int) and channels <= 4 and shape[1] not in (1, 3)


def _chain(value: ir.Value) -> tuple[list[ir.Node], ir.Node | None]:
    """The elementwise nodes that alone read each other from `value` on, up to the one that turns it."""
    nodes: list[ir.Node] = []
    while len(value.uses()) == 1:
        (node, _), *_ = value.uses()
        if node.op_type == "Transpose":
            return nodes, node if tuple(node.attributes.get_ints("perm", ())) == _TO_CHANNELS_FIRST else None
        if node.op_type not in ("Add", "Cast", "Div", "Identity", "Mul", "Sub"):
            break
        nodes.append(node)
        value = node.outputs[0]
    return nodes, None


def _turn_constants(graph: ir.Graph, node: ir.Node) -> None:
    """What a node adds or multiplies per channel, for images whose channels come first."""
    for index in range(len(node.inputs)):
        array = constant_input(node, index)
        if array is None or array.ndim == 0 or array.size == 1:
            continue
        whole = array.reshape((1,) * (len(_TO_CHANNELS_FIRST) - array.ndim) + array.shape)
        turned = np.ascontiguousarray(whole.transpose(_TO_CHANNELS_FIRST))
        node.replace_input_with(index, initializer(graph, f"{node.outputs[0].name}.{index}.turned", turned))


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


def free_batch(graph: ir.Graph) -> None:
    """Where the batch is fixed, a Reshape to it keeps the batch that comes in."""
    shape = graph.inputs[0].shape
    batch = shape[0] if shape is not None and len(shape) else None
    if not isinstance(batch, int):
        return
    for node in graph:
        target = constant_input(node, 1) if node.op_type == "Reshape" else None
        data = node.inputs[0] if target is not None else None
        if target is None or data is None or data.const_value is not None:
            continue
        # With `allowzero` a 0 is one, which no image has; it may go where no 0 is.
        if bool(node.attributes.get_int("allowzero", 0)) and 0 in target:
            continue
        if target.size > 1 and target[0] == batch:
            node.attributes.pop("allowzero", None)
            # 0 takes over the size that comes in.
            freed = np.array([0, *target[1:]], np.int64)
            node.replace_input_with(1, initializer(graph, f"{node.outputs[0].name}.shape", freed))
