"""Frozen prefix in float32 -> the same with 8-bit integer convolutions, by static quantisation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import common
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from tbft_artifacts.errors import TbftError
from tbft_export.graph.forward import IMAGES
from tbft_export.quantization.fold_batch_norm import FoldBatchNormPass

# What residual networks are made of, as far as integer kernels are faster. Anything else stays float32:
# ONNX Runtime's integer AveragePool is slower than the float one.
OPERATORS = ("Conv", "Relu", "Add", "MaxPool")
# The quantiser takes it as a sign that shapes are known and batch norms folded, and does not warn.
_PREPARED = ("onnx.quant.pre_process", "onnxruntime.quant")


def quantize_prefix(prefix: ir.Model, batches: Iterable[np.ndarray]) -> ir.Model:
    """The prefix with a QuantizeLinear/DequantizeLinear pair around each value that becomes 8-bit.

    `batches` are images (N, C, H, W) float32 that show the range of every activation. Input and output
    stay float32; the operators are those of opset 17, and ONNX Runtime fuses each Conv with its pairs,
    and a ReLU behind it, into one integer kernel. Raises TbftError if there is no Conv, or ONNX Runtime
    cannot quantise the graph.
    """
    prepared = prefix.clone()
    FoldBatchNormPass()(prepared)
    common.RemoveUnusedNodesPass()(prepared)
    if not any(node.op_type == "Conv" for node in prepared.graph):
        raise TbftError("the frozen prefix has no convolution to quantise", "export without `prefix` int8")
    prepared.metadata_props.update([_PREPARED])
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder, "float32.onnx"), Path(folder, "int8.onnx")
        ir.save(prepared, source)
        _quantize(source, result, _Reader(batches))
        quantized = ir.from_proto(onnx.load(result))
    quantized.metadata_props.clear()
    return quantized


def _quantize(source: Path, result: Path, reader: CalibrationDataReader) -> None:
    try:
        quantize_static(
            source,
            result,
            reader,
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(OPERATORS),
            # Unsigned activations and signed, symmetric weights with a scale per output channel have kernels
            # with dot products on ARM and on x86. On the stock wheel, signed activations took 13 % fewer
            # instructions on a Cortex-A76 and 7 % more on a Cortex-A72, 18 % more time on x86, and unlike
            # unsigned ones did not give the same numbers on both.
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # 7-bit weights: x86 without VNNI adds two products in 16 bits, where 2 * 255 * 127 saturates.
            # With 2 * 255 * 64 every CPU computes the same sums, the one that measures accuracy included.
            reduce_range=True,
        )
    except Exception as error:  # Python's and ONNX Runtime's, which share no base
        reason = " ".join(str(error).split())[-300:]
        raise TbftError(
            f"ONNX Runtime cannot quantise the frozen prefix: {reason}", "export without `prefix` int8"
        ) from error


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types.
    """Hands out batches until there are no more."""

    def __init__(self, batches: Iterable[np.ndarray]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        images = next(self._batches, None)
        return None if images is None else {IMAGES: images}


def join(prefix: ir.Model, suffix: ir.Model) -> ir.Model:
    """One graph images -> logits of a prefix and the suffix that takes its output.

    Both come from one forward graph, so that what has the same name is the same.
    """
    joined, rest = ir.to_proto(prefix), ir.to_proto(suffix)
    present = {tensor.name for tensor in joined.graph.initializer}
    joined.graph.node.extend(rest.graph.node)
    joined.graph.initializer.extend(tensor for tensor in rest.graph.initializer if tensor.name not in present)
    joined.graph.value_info.extend(rest.graph.value_info)
    del joined.graph.output[:]
    joined.graph.output.extend(rest.graph.output)
    return ir.from_proto(joined)
