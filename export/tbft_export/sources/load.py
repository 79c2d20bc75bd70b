"""From what the user names to a forward graph and a PyTorch reference."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir as ir
import torch
from torch import nn

from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import InputShape
from tbft_artifacts.model_card import ModelCard
from tbft_artifacts.preprocessing import Normalize
from tbft_export.graph.forward import ForwardModel
from tbft_export.passes.freeze_batch_norm import running_mean
from tbft_export.pipeline import PassRunner, clean_forward
from tbft_export.reference.onnx_reference import OnnxReference
from tbft_export.reference.torch_reference import Reference, TorchReference, reason_of
from tbft_export.sources.built_in import BUILT_IN, load_built_in
from tbft_export.sources.frozen import frozen_in, normalises_input, note_on
from tbft_export.sources.given_shape import GivenShape
from tbft_export.sources.libraries import WHOLE, Framing, load_library
from tbft_export.sources.log_mel import LogMel, give_features
from tbft_export.sources.named import model_kind
from tbft_export.sources.new_head import replace_head
from tbft_export.sources.one_dimension import give_windows
from tbft_export.sources.onnx.head import replace_graph_head
from tbft_export.sources.onnx.normalisation import NO_PIXELS, read_normalisation
from tbft_export.sources.onnx.read import read_onnx
from tbft_export.sources.probe import (
    example_images,
    final_activation,
    probe_batch,
    probe_fixed_batch,
    probe_module,
    probe_reference,
    sides_of,
)
from tbft_export.sources.signature import check_signature, class_count, input_shape
from tbft_export.sources.trace import torch_to_onnx
from tbft_export.sources.weights import find_state, load_into


@dataclass(frozen=True)
class TrainedModel:
    """A trained model: its forward graph, the same in PyTorch, and what the graph shows of it.

    `fresh` names parameters that nobody trained yet: those of a new head. `card` is what a finalized model says of
    its classes and preprocessing, `normalize` how the graph or its library shows that pixels are fed, `framing` how
    its library cuts images. `notes` are what its owner may not know of it, a line each.
    """

    name: str
    forward: ForwardModel
    reference: Reference
    shape: InputShape
    classes: int
    fresh: tuple[str, ...] = ()
    card: ModelCard | None = None
    normalize: Normalize | None = None
    framing: Framing = WHOLE
    notes: tuple[str, ...] = ()


def load_model(
    model: str,
    weights: Path | None,
    classes: int | None,
    given: GivenShape,
    runner: PassRunner,
    *,
    new_head: bool = False,
    output: str | None = None,
) -> TrainedModel:
    """Load `model`: the name of a network, `package.module:factory`, or a path to an `.onnx` file.

    With `new_head` the layer that gives the logits is a fresh one for `classes`. `output` is the name of the logits
    among several outputs of an `.onnx` file. Raises TbftError if the model cannot be found, its weights do not fit, or
    its graph is not images (N, C, H, W) -> logits (N, classes).
    """
    head = classes if new_head else None
    kind = model_kind(model)
    if kind == "onnx":
        source = _from_onnx(Path(model), weights, given, output, runner, head)
    elif kind == "built-in":
        shape = given.square_rgb(model, BUILT_IN[model].image_size)
        source = _from_module(model, load_built_in(model, weights, shape.width), shape, runner, head)
    elif kind == "library":
        assert weights is not None
        source = _from_library(model, weights, given, runner, head)
    else:
        source = _from_factory(model, weights, given, runner, head)
    if classes not in (None, source.classes):
        raise TbftError(
            f"model '{model}' has {source.classes} classes, not {classes}",
            "leave `classes` out, or train a head for other classes with `new_head`",
        )
    return source


def _from_factory(
    spec: str, weights: Path | None, given: GivenShape, runner: PassRunner, head: int | None
) -> TrainedModel:
    module_name, _, attribute = spec.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        factory = getattr(importlib.import_module(module_name), attribute)
        module = factory()  # Still with the folder on the path: it may import its neighbours only now.
    except (Exception, SystemExit) as error:  # The user's own code may raise anything.
        raise TbftError(
            f"model '{spec}' cannot be made: {type(error).__name__}: {error}",
            "run from the folder that holds it; the factory takes no arguments",
        ) from error
    finally:
        sys.path.remove(here)
    while isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        module = module.module
    module = getattr(module, "_orig_mod", module)  # Of torch.compile, which cannot be traced.
    if not isinstance(module, nn.Module):
        raise TbftError(f"'{spec}' returned a {type(module).__name__}, not a torch module", "return the model")
    shape = given.of_module(spec)
    if given.sound is not None and given.sound.log_mel is not None:
        give_features(module, LogMel(given.sound.log_mel, given.sound.rate))
    elif given.is_signal:
        give_windows(module, shape)
    note = ""
    if weights is not None:
        state = find_state(weights, frozenset(module.state_dict()))
        load_into(module, state.tensors, weights)
        note = state.note
    trained = _from_module(spec, module, shape, runner, head)
    return replace(trained, notes=(*([note] if note else []), *trained.notes))


def _from_library(spec: str, weights: Path, given: GivenShape, runner: PassRunner, head: int | None) -> TrainedModel:
    found = load_library(spec, weights, given)
    trained = _from_module(spec, found.module, found.shape, runner, head)
    notes = (*([found.note] if found.note else []), *trained.notes)
    return replace(trained, normalize=found.normalize, framing=found.framing, notes=notes)


def _from_module(name: str, module: nn.Module, shape: InputShape, runner: PassRunner, head: int | None) -> TrainedModel:
    images = example_images(shape)
    module = probe_module(module, images, name)
    fresh = () if head is None else replace_head(module, head, name, images)
    try:
        with torch.no_grad():
            traced = torch_to_onnx(module, shape)
    except Exception as error:  # PyTorch's exporter may raise anything.
        raise TbftError(
            f"model '{name}' cannot be traced with images of {sides_of(images)}: {reason_of(error)}",
            "it runs in PyTorch, whose TorchScript exporter to ONNX does not know what it does: write it otherwise, or "
            "try the newer one: torch.onnx.export(module, (images,), 'm.onnx', dynamo=True), and `model` m.onnx",
        ) from error
    forward = replace(_clean(traced, _weights(module, traced.graph), runner), fixed=frozen_in(module))
    check_signature(forward.graph, name)
    reference = _reference(module, forward)
    probe_reference(reference, forward, images, name)
    probe_batch(OnnxReference(forward), images, name)
    pixels = read_normalisation(forward.graph, took_bytes=False)
    # A scale that is learned is a layer, and says nothing of pixels.
    pixels = NO_PIXELS if pixels.constants & forward.weights else pixels
    said = [pixels.note] if pixels.note else []
    notes = (*_notes(forward.graph, momentum_of=module), *note_on(forward.fixed, forward.weights), *said)
    return TrainedModel(
        name,
        forward,
        reference,
        shape,
        class_count(forward.graph),
        fresh,
        normalize=pixels.normalize,
        notes=notes,
    )


def _weights(module: nn.Module, graph: ir.Graph) -> frozenset[str]:
    """Parameters, and what batch norms average; other buffers, such as the mean of pixels, are constants."""
    norms = [node for node in graph if node.op_type == "BatchNormalization"]
    averages = {value.name for node in norms for value in node.inputs[3:5] if value is not None}
    names = {name for name, _ in module.named_parameters(remove_duplicate=False)} | averages
    return frozenset(key for key, value in module.state_dict().items() if key in names and value.is_floating_point())


def _reference(module: nn.Module, forward: ForwardModel) -> Reference:
    """The module itself; its graph where the module does not say which layers are batch norms (TorchScript)."""
    norms = {running_mean(node) for node in forward.graph if node.op_type == "BatchNormalization"}
    reference = TorchReference(module)
    return reference if norms <= reference.norms else OnnxReference(forward)


def _from_onnx(
    path: Path, weights: Path | None, given: GivenShape, output: str | None, runner: PassRunner, head: int | None
) -> TrainedModel:
    file = read_onnx(path, weights, given, output)
    forward = _clean(file.model, file.floats, runner)
    forward, fresh = (forward, ()) if head is None else replace_graph_head(forward, head, str(path))
    forward = replace(forward, fixed=normalises_input(forward.graph, forward.weights))
    shape = input_shape(forward.graph)
    given.check_file(str(path), shape)
    reference = OnnxReference(forward)
    images = example_images(shape)
    if file.batch is not None:
        probe_fixed_batch(reference, images, file.batch, path.stem)
    probe_reference(reference, forward, images, path.stem)
    return TrainedModel(
        name=path.stem,
        forward=forward,
        reference=reference,
        shape=shape,
        classes=class_count(forward.graph),
        fresh=fresh,
        card=file.card,
        normalize=file.normalize,
        notes=(*file.notes, *_notes(forward.graph)),
    )


def _clean(traced: ir.Model, floats: frozenset[str], runner: PassRunner) -> ForwardModel:
    model = runner.run(traced, clean_forward(floats))
    return ForwardModel(model, frozenset(name for name in model.graph.initializers if name in floats))


def _notes(graph: ir.Graph, momentum_of: nn.Module | None = None) -> tuple[str, ...]:
    notes = []
    if (activation := final_activation(graph)) is not None:
        notes.append(f"the model ends in {activation}, which the loss takes for logits: better leave it out")
    layers = [] if momentum_of is None else momentum_of.modules()
    if any(isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.momentum is None for layer in layers):
        notes.append(
            "batch norms with momentum=None, PyTorch's mean over all batches, move a running average here, by a tenth "
            "at each step"
        )
    return tuple(notes)
