"""Gradients of single convolutions as the compiler lowers them, one graph each. Host environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx_ir as ir

from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass

# What a gradient is taken of: the weights or the input.
Of = Literal["dw", "dx"]


@dataclass(frozen=True)
class Layer:
    """A 3x3 convolution, padding 1: channels in and out, side of its input, stride."""

    channels: int
    filters: int
    side: int
    stride: int

    def __str__(self) -> str:
        return f"{self.channels}x{self.filters}-{self.side}px-stride{self.stride}"


# Those of ResNet-26 at 32 px, and two of a wider network.
LAYERS = (
    Layer(3, 16, 32, 1),
    Layer(16, 16, 32, 1),
    Layer(16, 32, 32, 2),
    Layer(32, 32, 16, 1),
    Layer(32, 64, 16, 2),
    Layer(64, 64, 8, 1),
    Layer(128, 128, 28, 1),
    Layer(512, 512, 7, 1),
)


def write_kernels(folder: Path) -> None:
    """Write `LAYER-dw.onnx` and `LAYER-dx.onnx` for every layer, with inputs dy, x and w."""
    folder.mkdir(parents=True, exist_ok=True)
    for layer in LAYERS:
        for of in ("dw", "dx"):
            ir.save(conv_gradient(layer, of), folder / f"{layer}-{of}.onnx")


def conv_gradient(layer: Layer, of: Of) -> ir.Model:
    """The lowered graph (dy, x, w) -> gradient; the batch is symbolic."""
    small = layer.side // layer.stride
    x, dy = (f"n,{layer.channels},{layer.side},{layer.side}", f"n,{layer.filters},{small},{small}")
    w = f"{layer.filters},{layer.channels},3,3"
    outputs, shape = ("dx", x) if of == "dx" else ('"", dw', w)
    model = ir.from_onnx_text(f"""
        <ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
        g (float[{dy}] dy, float[{x}] x, float[{w}] w) => (float[{shape}] {of}) {{
            {outputs} = com.microsoft.ConvGrad <kernel_shape = [3, 3], pads = [1, 1, 1, 1],
                strides = [{layer.stride}, {layer.stride}]> (dy, x, w)
        }}""")
    return LowerTrainingOperatorsPass()(model).model
