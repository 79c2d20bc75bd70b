"""An `.onnx` file -> its graph, in the form that the compiler works on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx import version_converter

from tbft_artifacts.errors import TbftError
from tbft_artifacts.model_card import METADATA, ModelCard, decode_card
from tbft_artifacts.names import LOGITS
from tbft_export.graph.forward import BATCH, IMAGES, IR_VERSION, OPSET
from tbft_export.sources.one_dimension import widen_input
from tbft_export.sources.onnx_habits import settle
from tbft_export.sources.signature import check_signature
from tbft_export.sources.weights import check_fit, find_state


@dataclass(frozen=True)
class OnnxFile:
    """The graph of a file, which of its initializers are weights, and what a finalized model says of itself."""

    model: ir.Model
    floats: frozenset[str]
    card: ModelCard | None


def read_onnx(path: Path, weights: Path | None) -> OnnxFile:
    """Read a forward graph, with other `weights` if they are given.

    Raises TbftError for a file that is none, cannot be converted, or does not map images to logits in float32.
    """
    try:
        proto = onnx.load(path)
        onnx.checker.check_model(proto)
    except Exception as error:  # OSError, ValidationError, and protobuf's DecodeError, which is not public
        raise TbftError(f"'{path}' is no valid ONNX model: {error}", "export the model again") from error
    version = next((opset.version for opset in proto.opset_import if opset.domain in ("", "ai.onnx")), OPSET)
    if version != OPSET:
        try:
            proto = version_converter.convert_version(proto, OPSET)
        except Exception as error:  # RuntimeError of the C++ converter, and others
            reason = " ".join(str(error).split())[:200]
            raise TbftError(
                f"'{path}' cannot be converted from opset {version} to {OPSET}: {reason}",
                f"export the model again with opset {OPSET}",
            ) from error
    traced = ir.from_proto(proto)
    traced.ir_version = IR_VERSION
    _check_types(traced.graph, path)
    settle(traced.graph)
    widen_input(traced.graph)
    check_signature(traced.graph, str(path))
    _name_signature(traced.graph)
    floats = frozenset(
        name
        for name, value in traced.graph.initializers.items()
        if value.dtype == ir.DataType.FLOAT and value.shape and len(value.shape)
    )
    if weights is not None:
        _replace_initializers(traced.graph, floats, weights)
    return OnnxFile(traced, floats, _card(proto))


def _check_types(graph: ir.Graph, path: Path) -> None:
    odd = (ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
    values = [value for value in (*graph.inputs, *graph.initializers.values()) if value.dtype in odd]
    # A single number, such as an epsilon, may have any type.
    large = [value for value in values if value.is_graph_input() or (value.shape is not None and len(value.shape))]
    if large:
        assert large[0].dtype is not None
        raise TbftError(
            f"'{path}' computes in {large[0].dtype.name.lower()} ('{large[0].name}'), not in float32",
            "convert the model to float32 (model.float() in PyTorch) and export it again",
        )


def _card(proto: onnx.ModelProto) -> ModelCard | None:
    """What a model that `finalize` wrote says of itself; None of any other, or where it makes no sense."""
    said = next((entry.value for entry in proto.metadata_props if entry.key == METADATA), None)
    try:
        return None if said is None else decode_card(said, proto.graph.name)
    except TbftError:
        return None


def _name_signature(graph: ir.Graph) -> None:
    """Give input, output and batch the names that every bundle uses, and forget other shapes."""
    images, logits = graph.inputs[0], graph.outputs[0]
    for node in graph:
        for value in node.outputs:
            value.shape = None if value is not logits else value.shape
    images.name, logits.name = IMAGES, LOGITS
    for value in (images, logits):
        assert value.shape is not None
        value.shape = ir.Shape([BATCH, *value.shape[1:]])


def _replace_initializers(graph: ir.Graph, floats: frozenset[str], weights: Path) -> None:
    tensors = {name: value.const_value for name, value in graph.initializers.items() if name in floats}
    expected = {name: tuple(tensor.shape.numpy()) for name, tensor in tensors.items() if tensor is not None}
    state = find_state(weights, frozenset(expected)).tensors
    check_fit(expected, state, weights)
    for name in floats:
        graph.initializers[name].const_value = ir.tensor(state[name].numpy(), name=name)
