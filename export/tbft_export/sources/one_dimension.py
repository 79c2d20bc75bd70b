"""Networks of signals (N, C, L), given as images of one row: (N, C, 1, L)."""

from __future__ import annotations

import onnx_ir as ir
from torch import Tensor, nn

from tbft_artifacts.input_shape import InputShape

_ROW = 2
# Layers that know signals alone.
_OF_SIGNALS = (
    *(nn.Conv1d, nn.ConvTranspose1d, nn.BatchNorm1d, nn.InstanceNorm1d, nn.MaxPool1d, nn.AvgPool1d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d, nn.RNNBase),
)


def give_windows(module: nn.Module, shape: InputShape) -> None:
    """Let a module with layers of signals have its one row taken away ahead of its forward."""
    if shape.height == 1 and any(isinstance(layer, _OF_SIGNALS) for layer in module.modules()):
        module.register_forward_pre_hook(_without_row)


def _without_row(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    images, *others = inputs
    return images.squeeze(_ROW), *others


def widen_input(graph: ir.Graph) -> None:
    """Let a graph of (N, C, L) take (N, C, 1, L); any other stays what it is."""
    windows = graph.inputs[0] if len(graph.inputs) == 1 else None
    if windows is None or windows.shape is None or len(windows.shape) != _ROW + 1:
        return
    batch, channels, length = windows.shape
    images = ir.Value(name=windows.name, shape=ir.Shape([batch, channels, 1, length]), type=windows.type)
    axes = ir.Value(name=f"{windows.name}_row", const_value=ir.tensor([_ROW], name=f"{windows.name}_row"))
    graph.register_initializer(axes)
    squeeze = ir.node("Squeeze", [images, axes], name=f"{windows.name}_without_row")
    squeeze.outputs[0].shape, squeeze.outputs[0].type = windows.shape, windows.type
    graph.inputs[0] = images
    ir.convenience.replace_all_uses_with(windows, squeeze.outputs[0])
    graph.insert_before(next(iter(graph)), squeeze)
