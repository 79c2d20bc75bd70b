"""`.onnx` files as PyTorch's TorchScript exporter writes them, changed as other tools do. Host only."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import torch

from support import common_nets, peoples_modules
from support.onnx_models import run
from tbft_export.graph.forward import IMAGES
from tbft_export.sources.onnx.read import OnnxFile

Change = Callable[[onnx.ModelProto], None]


def written(path: Path, change: Change = lambda _: None, name: str = "plain", **options: object) -> Path:
    """A network as PyTorch writes it, and then `change`d."""
    module = getattr(peoples_modules, name, None) or getattr(common_nets, name)
    size = 8 if hasattr(peoples_modules, name) else 32
    buffer = io.BytesIO()
    settings = {
        "training": torch.onnx.TrainingMode.PRESERVE,
        "do_constant_folding": False,
        "dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}},
        "opset_version": 17,
    } | options
    torch.onnx.export(
        module(),
        (torch.zeros(1, 3, size, size),),
        buffer,  # type: ignore[arg-type]
        dynamo=False,
        input_names=["x"],
        output_names=["y"],
        **settings,  # type: ignore[arg-type]
    )
    model = onnx.load_from_string(buffer.getvalue())
    change(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def tensors(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    return {tensor.name: tensor for tensor in model.graph.initializer}


# From images (n, 3, 8, 8) to four logits.
BODY = (
    "c = Conv <kernel_shape=[3,3], pads=[1,1,1,1]> ({start}, w, b) r = Relu (c) p = GlobalAveragePool (r) "
    "f = Flatten (p) {end} = Gemm <transB=1> (f, fw, fb)"
)


def small(
    path: Path,
    before: str = "",
    after: str = "",
    images: str = "float[n,3,8,8]",
    logits: str = "float[n,4] y",
    opset: int = 17,
    body: str = BODY,
    **constants: np.ndarray,
) -> Path:
    """A network of one convolution and a head; `before` makes v of x, the images, and `after` y of z, the logits."""
    inside = body.format(start="v" if before else "x", end="z" if after else "y")
    graph = f"g ({images} x) => ({logits}) {{ {before} {inside} {after} }}"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {graph}')
    rng = np.random.default_rng(0)
    shapes = {"w": (5, 3, 3, 3), "b": (5,), "fw": (4, 5), "fb": (4,)}
    own = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    read = {name for node in model.graph.node for name in node.input}
    found = {name: value for name, value in (own | constants).items() if name in read}
    model.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in found.items())
    onnx.save(model, path)
    return path


PIXELS = np.random.default_rng(1).random((2, 3, 8, 8)).astype(np.float32)
F = np.float32
MEAN, STD = (np.array(each, F).reshape(3, 1, 1) for each in ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3)))
WEIGHTS = {"w", "b", "fw", "fb"}


def logits(file: OnnxFile, images: np.ndarray = PIXELS) -> np.ndarray:
    """What is computed of images as the compiler has them."""
    (found,) = run(file.model, {IMAGES: images}).values()
    return found


def original(path: Path, images: np.ndarray = PIXELS, output: str = "y") -> np.ndarray:
    return run(ir.from_proto(onnx.load(path)), {"x": images})[output]
