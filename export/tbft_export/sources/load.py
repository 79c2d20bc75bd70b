"""From what the user names to a forward graph and a PyTorch reference."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx_ir as ir
import torch
from onnx import version_converter
from torch import nn

from tbft_artifacts.errors import TbftError
from tbft_artifacts.model_card import METADATA, ModelCard, decode_card
from tbft_artifacts.names import LOGITS
from tbft_export.graph.forward import BATCH, IMAGES, IR_VERSION, OPSET, ForwardModel
from tbft_export.pipeline import PassRunner, clean_forward
from tbft_export.reference.onnx_reference import OnnxReference
from tbft_export.reference.torch_reference import Reference, TorchReference
from tbft_export.sources.built_in import BUILT_IN, load_built_in
from tbft_export.sources.new_head import replace_head
from tbft_export.sources.trace import torch_to_onnx
from tbft_export.sources.weights import check_fit, load_into, read_state_dict

CHANNELS = 3


@dataclass(frozen=True)
class TrainedModel:
    """A trained model: its forward graph, the same in PyTorch, and what the graph shows of it.

    `fresh` names parameters that nobody trained yet: those of a new head. `card` is what a finalized model says of
    its classes and preprocessing.
    """

    name: str
    forward: ForwardModel
    reference: Reference
    image_size: int
    classes: int
    fresh: tuple[str, ...] = ()
    card: ModelCard | None = None


def load_model(
    model: str,
    weights: Path | None,
    classes: int | None,
    image_size: int | None,
    runner: PassRunner,
    *,
    new_head: bool = False,
) -> TrainedModel:
    """Load `model`: the name of a built-in network, `package.module:factory`, or a path to an `.onnx` file.

    With `new_head` the last linear layer is a fresh one for `classes`. Raises TbftError if the model cannot be
    found, its weights do not fit, or its graph is not images (N, 3, S, S) -> logits (N, classes).
    """
    if new_head and classes is None:
        raise TbftError("it is not said for how many classes the new head is", "give `classes`")
    head = classes if new_head else None
    if model.endswith(".onnx"):
        if new_head:
            raise TbftError(
                f"'{model}' is an .onnx file, whose head stays what it is",
                "give the torch module itself: `model` package.module:factory",
            )
        source = _from_onnx(Path(model), weights, runner)
    elif model in BUILT_IN:
        size = BUILT_IN[model].image_size if image_size is None else image_size
        source = _from_module(model, load_built_in(model, weights, size), size, runner, head)
    elif ":" in model:
        source = _from_factory(model, weights, image_size, runner, head)
    else:
        hint = f"use {', '.join(BUILT_IN)}, package.module:factory, or the path of an .onnx file"
        raise TbftError(f"unknown model '{model}'", hint)
    if new_head and source.classes != classes:
        raise TbftError(
            f"the last linear layer of model '{model}' does not give its logits, so it is no head to replace",
            "change the head in the model itself",
        )
    if classes not in (None, source.classes):
        raise TbftError(
            f"model '{model}' has {source.classes} classes, not {classes}",
            "leave `classes` out, or train a head for other classes with `new_head`",
        )
    return source


def _from_factory(
    spec: str, weights: Path | None, image_size: int | None, runner: PassRunner, head: int | None
) -> TrainedModel:
    module_name, _, attribute = spec.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
        module = factory()  # Still with the folder on the path: it may import its neighbours only now.
    except Exception as error:  # The user's own code may raise anything.
        raise TbftError(
            f"model '{spec}' cannot be made: {type(error).__name__}: {error}",
            "run from the folder that holds it; the factory takes no arguments",
        ) from error
    finally:
        sys.path.remove(here)
    if not isinstance(module, nn.Module):
        raise TbftError(f"'{spec}' returned a {type(module).__name__}, not a torch module", "return the model")
    if image_size is None:
        raise TbftError(f"the image size of '{spec}' is not known", "give `image_size`")
    if weights is not None:
        load_into(module, read_state_dict(weights), weights)
    return _from_module(spec, module, image_size, runner, head)


def _from_module(name: str, module: nn.Module, image_size: int, runner: PassRunner, head: int | None) -> TrainedModel:
    module = module.float().cpu()
    fresh = () if head is None else replace_head(module, head, name)
    try:
        with torch.no_grad():
            traced = torch_to_onnx(module, CHANNELS, image_size)
    except Exception as error:  # The user's own forward, or the exporter, may raise anything.
        reason = " ".join(str(error).split())[:300]
        raise TbftError(
            f"model '{name}' cannot be traced with images of {image_size} x {image_size}: {reason}",
            "check `image_size`, and that the forward takes (N, 3, S, S) images",
        ) from error
    floats = frozenset(key for key, value in module.state_dict().items() if value.is_floating_point())
    forward = _clean(traced, floats, runner)
    _check_signature(forward.graph, name)
    return TrainedModel(name, forward, TorchReference(module), image_size, _classes(forward.graph), fresh)


def _from_onnx(path: Path, weights: Path | None, runner: PassRunner) -> TrainedModel:
    try:
        proto = onnx.load(path)
        onnx.checker.check_model(proto)
    except Exception as error:  # OSError, ValidationError, and protobuf's DecodeError, which is not public
        raise TbftError(f"'{path}' is no valid ONNX model: {error}", "export the model again") from error
    if any(opset.domain in ("", "ai.onnx") and opset.version != OPSET for opset in proto.opset_import):
        proto = version_converter.convert_version(proto, OPSET)
    traced = ir.from_proto(proto)
    traced.ir_version = IR_VERSION
    initializers = dict(traced.graph.initializers)
    for value in list(traced.graph.inputs):
        if value.name in initializers:
            traced.graph.inputs.remove(value)
    _check_signature(traced.graph, str(path))
    _name_signature(traced.graph)
    floats = frozenset(
        name
        for name, value in initializers.items()
        if value.dtype == ir.DataType.FLOAT and value.shape and len(value.shape)
    )
    if weights is not None:
        _replace_initializers(traced.graph, floats, weights)
    forward = _clean(traced, floats, runner)
    size = forward.graph.inputs[0].shape
    assert size is not None
    return TrainedModel(
        name=path.stem,
        forward=forward,
        reference=OnnxReference(forward),
        image_size=int(size[2]),  # type: ignore[arg-type]
        classes=_classes(forward.graph),
        card=_card(proto),
    )


def _card(proto: onnx.ModelProto) -> ModelCard | None:
    """What a model that `finalize` wrote says of itself; None of any other, or where it makes no sense."""
    said = next((entry.value for entry in proto.metadata_props if entry.key == METADATA), None)
    try:
        return None if said is None else decode_card(said, proto.graph.name)
    except TbftError:
        return None


def _clean(traced: ir.Model, floats: frozenset[str], runner: PassRunner) -> ForwardModel:
    model = runner.run(traced, clean_forward(floats))
    return ForwardModel(model, frozenset(name for name in model.graph.initializers if name in floats))


def _check_signature(graph: ir.Graph, name: str) -> None:
    shapes = [value.shape for value in (*graph.inputs, *graph.outputs)]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or any(shape is None for shape in shapes):
        raise TbftError(
            f"model '{name}' has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, not one of each",
            "export a classifier: images in, logits out",
        )
    images, logits = shapes
    assert images is not None
    assert logits is not None
    square = len(images) == 4 and images[1] == CHANNELS and isinstance(images[2], int) and images[2] == images[3]
    if not square or len(logits) != 2 or not isinstance(logits[1], int):
        raise TbftError(
            f"model '{name}' maps {list(images)} to {list(logits)}, not (N, {CHANNELS}, S, S) to (N, classes)",
            "export a classifier of square RGB images with fixed size",
        )


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
    state = read_state_dict(weights)
    expected = {name: tuple(tensor.shape.numpy()) for name, tensor in _tensors(graph).items() if name in floats}
    check_fit(expected, state, weights)
    for name in floats:
        graph.initializers[name].const_value = ir.tensor(state[name].numpy(), name=name)


def _tensors(graph: ir.Graph) -> dict[str, ir.TensorProtocol]:
    found = {name: value.const_value for name, value in graph.initializers.items()}
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def _classes(graph: ir.Graph) -> int:
    shape = graph.outputs[0].shape
    assert shape is not None
    return int(shape[1])  # type: ignore[arg-type]
