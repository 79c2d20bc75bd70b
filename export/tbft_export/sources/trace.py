"""A PyTorch module -> the ONNX graph of its forward pass."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Sequence

import onnx
import onnx_ir as ir
import torch
from torch import nn

from tbft_artifacts.names import LOGITS
from tbft_export.graph.forward import BATCH, IMAGES, OPSET
from tbft_export.quiet import quiet
from tbft_export.sources.traceable import traceable


def torch_to_onnx(module: nn.Module, shape: Sequence[int]) -> ir.Model:
    """Trace `module` in eval mode, for inputs (N, *shape), with the TorchScript exporter.

    That exporter keeps parameter names and gives one node per layer; the newer one either folds
    batch norms into convolutions or leaves casts that the gradient builder cannot differentiate.
    """
    buffer = io.BytesIO()
    example = torch.zeros(2, *shape)
    # Where it fails, it prints the graph so far; what the module itself prints was to be seen before.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), quiet(1), traceable():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (example,),
            buffer,  # type: ignore[arg-type]  # The TorchScript exporter takes a file object.
            dynamo=False,
            opset_version=OPSET,
            input_names=[IMAGES],
            output_names=[LOGITS],
            dynamic_axes={IMAGES: {0: BATCH}, LOGITS: {0: BATCH}},
            # EVAL would fuse batch norms into convolutions.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            # Without it, parameters of equal value share one initializer and are trained as one.
            keep_initializers_as_inputs=True,
        )
    proto = onnx.load_from_string(buffer.getvalue())
    initializers = {tensor.name for tensor in proto.graph.initializer}
    images = [value for value in proto.graph.input if value.name not in initializers]
    del proto.graph.input[:]
    proto.graph.input.extend(images)
    return ir.from_proto(proto)
