"""An `.onnx` file -> its graph, in the form that the compiler works on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.passes import common

from tbft_artifacts.errors import TbftError
from tbft_artifacts.model_card import METADATA, ModelCard, decode_card
from tbft_artifacts.names import LOGITS
from tbft_artifacts.preprocessing import Normalize
from tbft_export.graph.builder import infer_shapes
from tbft_export.graph.forward import BATCH, IMAGES, IR_VERSION
from tbft_export.graph.resize import is_scale
from tbft_export.passes.fold_constants import FoldConstantsPass
from tbft_export.sources.given_shape import NOTHING_SAID, GivenShape
from tbft_export.sources.one_dimension import widen_input
from tbft_export.sources.onnx.batch import free_batch
from tbft_export.sources.onnx.channels import take_channels_first
from tbft_export.sources.onnx.floats import leave_casts, use_float32
from tbft_export.sources.onnx.inputs import check_one_input, fix_shape, take_floats
from tbft_export.sources.onnx.lift import leave_zeros, lift_weights, settle_weights
from tbft_export.sources.onnx.names import keep_reserved, name_weights
from tbft_export.sources.onnx.normalisation import read_normalisation
from tbft_export.sources.onnx.opset import check_opset, convert_opset
from tbft_export.sources.onnx.outputs import choose_output, cut_probabilities, flatten_logits, leave_ends
from tbft_export.sources.onnx.parse import parse_file
from tbft_export.sources.onnx.quantised import Quantised, check_arithmetic, free_quantised
from tbft_export.sources.onnx.spellings import spell_alike
from tbft_export.sources.signature import check_signature
from tbft_export.sources.weights import check_fit, find_state


@dataclass(frozen=True)
class OnnxFile:
    """The graph of a file, which of its initializers are weights, and what a finalized model says of itself.

    `normalize` is how pixels are to be fed where the graph shows it, `notes` are what was made of the file, and
    `batch` is how many images its input says, where that is a number.
    """

    model: ir.Model
    floats: frozenset[str]
    card: ModelCard | None
    normalize: Normalize | None = None
    notes: tuple[str, ...] = ()
    batch: int | None = None


def read_onnx(
    path: Path, weights: Path | None, given: GivenShape = NOTHING_SAID, output: str | None = None
) -> OnnxFile:
    """Read a forward graph, with other `weights` if they are given.

    `given` is the shape of images where the file leaves it open, `output` the name of the logits where there are
    several outputs. Raises TbftError for a file that is none, cannot be converted, or does not map images to logits.
    """
    proto = parse_file(path)
    name = str(path)
    model = common.InlinePass()(ir.from_proto(proto)).model
    check_opset(model, name)
    check_arithmetic(model.graph, name)
    lift_weights(model.graph)
    took_bytes = _take_images(model.graph, name, given)
    batch = (model.graph.inputs[0].shape or [None])[0]
    chosen = choose_output(model.graph, name, output)
    if isinstance(batch, int):
        free_batch(model, batch)
    model, made = _in_float32(model)
    quantised = free_quantised(model.graph)
    cut = _give_logits(model.graph)
    model = _in_opset(model, name)
    graph = model.graph
    flatten_logits(graph)
    widen_input(graph)
    check_signature(graph, name)
    if weights is not None:
        _replace_initializers(graph, _floats(graph), weights)
    settle_weights(graph)
    keep_reserved(graph)
    _name_signature(graph)
    pixels = read_normalisation(graph, took_bytes=took_bytes)
    name_weights(graph, _floats(graph, quantised) - pixels.constants)
    card = _card(proto)
    about = quantised.note if quantised is not None else _about_norms(graph)
    notes = tuple(note for note in (*chosen, *made, *cut, pixels.note if card is None else "", about) if note)
    floats = _floats(graph, quantised) - pixels.constants
    return OnnxFile(model, floats, card, pixels.normalize, notes, batch if isinstance(batch, int) else None)


def _take_images(graph: ir.Graph, name: str, given: GivenShape) -> bool:
    """Let `graph` take float32 images, channels first, of one shape; whether it took bytes."""
    check_one_input(graph, name)
    took_bytes = take_floats(graph)
    take_channels_first(graph)
    fix_shape(graph, name, given)
    return took_bytes


def _in_float32(model: ir.Model) -> tuple[ir.Model, tuple[str, ...]]:
    """The same in float32, with shapes, and without what depends on nothing but constants; and what is to be said."""
    _forget_shapes(model.graph)
    notes = use_float32(model.graph)
    model = infer_shapes(model)
    leave_casts(model.graph)
    model = FoldConstantsPass(_floats(model.graph))(model).model
    leave_zeros(model.graph)
    return infer_shapes(common.RemoveUnusedNodesPass()(model).model), notes


def _give_logits(graph: ir.Graph) -> tuple[str, ...]:
    """Let `graph` end in its logits; a note if they were probabilities."""
    cut = cut_probabilities(graph)
    leave_ends(graph)
    said = f"the model's last {cut} was left out, since the loss has one: the likeliest class is the same"
    return () if cut is None else (said,)


def _in_opset(model: ir.Model, name: str) -> ir.Model:
    """The same in the compiler's opset and words, with shapes."""
    convert_opset(model, name)
    spell_alike(model.graph)
    model.ir_version = IR_VERSION
    return infer_shapes(model)


def _forget_shapes(graph: ir.Graph) -> None:
    """Forget what the file says of shapes inside, which was for its own batch and size."""
    images = graph.inputs[0]
    if images.shape is not None and len(images.shape):
        images.shape = ir.Shape([BATCH, *images.shape.dims[1:]])
    for node in graph:
        for value in node.outputs:
            value.shape = None


def _floats(graph: ir.Graph, quantised: Quantised | None = None) -> frozenset[str]:
    """The names of what may be weights: every initializer of float32 that is more than a number or a scale.

    Of a quantised file those alone behind the last rounding of activations.
    """
    return frozenset(
        name
        for name, value in graph.initializers.items()
        if value.dtype == ir.DataType.FLOAT
        and value.shape
        and len(value.shape)
        and not is_scale(value)
        and (quantised is None or (value.uses() and all(user in quantised.free for user, _ in value.uses())))
    )


def _about_norms(graph: ir.Graph) -> str:
    """What becomes of batch norms that the exporter made part of its convolutions."""
    kinds = {node.op_type for node in graph}
    with_bias = [node for node in graph if node.op_type == "Conv" and len(node.inputs) > 2]
    if "BatchNormalization" in kinds or not with_bias:
        return ""
    return (
        "the file has no batch norms: if the model had some, they are part of its convolutions, whose weights and "
        "biases are trained, and no batch's statistics are used"
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
