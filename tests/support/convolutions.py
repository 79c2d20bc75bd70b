"""A convolution of any kind: as ONNX text, and in PyTorch. Host only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from support.lowering import Arrays, leaf, normal


@dataclass(frozen=True)
class Convolution:
    batch: int
    groups: int
    channels: int
    filters: int
    kernel: tuple[int, int]
    image: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]

    @property
    def output(self) -> tuple[int, int]:
        rows, columns = (
            (self.image[a] + self.pads[a] + self.pads[a + 2] - self.dilations[a] * (self.kernel[a] - 1) - 1)
            // self.strides[a]
            + 1
            for a in (0, 1)
        )
        return rows, columns

    @property
    def _shapes(self) -> dict[str, str]:
        (ho, wo), (h, w) = self.output, self.image
        weight = f"{self.filters},{self.channels // self.groups},{self.kernel[0]},{self.kernel[1]}"
        image, result = f"n,{self.channels},{h},{w}", f"n,{self.filters},{ho},{wo}"
        return {"x": image, "w": weight, "b": f"{self.filters}", "y": result}

    @property
    def _attributes(self) -> str:
        return f"""kernel_shape={list(self.kernel)}, group={self.groups}, strides={list(self.strides)},
            pads={list(self.pads)}, dilations={list(self.dilations)}"""

    def forward(self, bias: bool = False) -> str:
        """One Conv."""
        names = ["x", "w", *(["b"] if bias else [])]
        inputs = ", ".join(f"float[{self._shapes[name]}] {name}" for name in names)
        return f"""g ({inputs}) => (float[{self._shapes["y"]}] y)
            {{ y = Conv <{self._attributes}> ({", ".join(names)}) }}"""

    def gradient(self, outputs: str) -> str:
        """One ConvGrad; `outputs` names dx, dw and db, or leaves one empty."""
        shapes = self._shapes
        wanted = [name for name in outputs.split(", ") if name.startswith("d")]
        declared = ", ".join(f"float[{shapes[name[1:]]}] {name}" for name in wanted)
        return f"""g (float[{shapes["y"]}] dy, float[{shapes["x"]}] x, float[{shapes["w"]}] w)
            => ({declared}) {{ {outputs} = com.microsoft.ConvGrad <{self._attributes}> (dy, x, w) }}"""

    def row_gradient(self) -> str:
        """The gradient of chosen rows: dy, x, w, channels (k,) -> rows (k, C/g, kh, kw)."""
        shapes = self._shapes
        rows = shapes["w"].replace(str(self.filters), "k", 1)
        return f"""g (float[{shapes["y"]}] dy, float[{shapes["x"]}] x, float[{shapes["w"]}] w, int64[k] channels)
            => (float[{rows}] rows) {{ rows = tbft.ConvRowsGrad <{self._attributes}> (dy, x, w, channels) }}"""

    def feeds(self, seed: int) -> Arrays:
        rng = np.random.default_rng(seed)
        return {
            "dy": normal(rng, self.batch, self.filters, *self.output),
            "x": normal(rng, self.batch, self.channels, *self.image),
            "w": normal(rng, self.filters, self.channels // self.groups, *self.kernel),
        }

    def torch(self, feeds: Arrays) -> dict[str, Tensor]:
        """y and the gradients, in the precision of the feeds; without `b` among them the bias is 0."""
        x, w = leaf(feeds["x"]), leaf(feeds["w"])
        b = leaf(feeds["b"]) if "b" in feeds else torch.zeros(self.filters, dtype=x.dtype, requires_grad=True)
        top, left, bottom, right = self.pads
        padded = functional.pad(x, (left, right, top, bottom))
        y = functional.conv2d(padded, w, b, self.strides, 0, self.dilations, self.groups)
        dx, dw, db = torch.autograd.grad(y, (x, w, b), torch.from_numpy(feeds["dy"]))
        return {"y": y, "dx": dx, "dw": dw, "db": db}
