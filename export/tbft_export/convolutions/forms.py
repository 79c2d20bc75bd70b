"""In which forms the convolutions of a graph are worth writing."""

from __future__ import annotations

import onnx_ir as ir

from tbft_artifacts.plan import ConvolutionForm
from tbft_export.convolutions import winograd
from tbft_export.convolutions.read import is_readable, read_convolution


def forms_of(graph: ir.Graph) -> tuple[ConvolutionForm, ...]:
    """The forms that make a difference for the convolutions of `graph`, the one that suits a Raspberry Pi first."""
    convolutions = [node for node in graph if node.op_type == "Conv" and is_readable(node)]
    if any(winograd.suits(read_convolution(node, *node.inputs[:2])) for node in convolutions):
        return ("winograd", "direct")
    return ("direct",)
