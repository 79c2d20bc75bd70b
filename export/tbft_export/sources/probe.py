"""A model asked for logits in PyTorch, ahead of any compiling: what it cannot do itself is said as its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor, nn

from tbft_artifacts.errors import TbftError
from tbft_artifacts.input_shape import InputShape
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.operands import constant_input
from tbft_export.reference.torch_reference import Reference, reason_of
from tbft_export.sources.kinds import check_kinds
from tbft_export.sources.logits import return_logits

# Two, so that a batch is told from an image.
IMAGES = 2
# Of the largest logit, what rounding may move one.
_NEAR = 1e-3
_ROWS = "end the network in one number per class: of two classes two, of which softmax makes what sigmoid made of one"


def example_images(shape: InputShape) -> Tensor:
    """Some images of noise, the same each time: (N, C, H, W)."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.standard_normal((IMAGES, *shape), np.float32))


def probe_module(module: nn.Module, images: Tensor, name: str) -> nn.Module:
    """`module` in float32 and in eval mode, which from now on returns its logits alone (`return_logits`).

    Raises TbftError if it fails, holds tensors that cannot be computed with, or does not give (N, classes).
    """
    check_kinds(module.state_dict(), f"model '{name}'")
    module = module.float().cpu().eval()

    def run() -> object:
        with torch.no_grad():
            return module(images.clone())

    output = _run(run, name, images)
    if isinstance(module, torch.jit.ScriptModule) and not isinstance(output, Tensor):
        raise TbftError(
            f"model '{name}' is a TorchScript module that returns an object of type {type(output).__name__}",
            "let it return the logits alone, or give the torch module itself",
        )
    return_logits(module, output, name)
    logits = _check_logits(_run(run, name, images), name, images)
    _check_alone(module, images, logits, name)
    return module


def _check_alone(module: nn.Module, images: Tensor, logits: Tensor, name: str) -> None:
    """Raises TbftError if an image's logits are others beside other images; what is random is said elsewhere."""
    try:
        with torch.no_grad():
            again, alone = module(images.clone()), module(images[:1].clone())
    except Exception:  # It takes no single image, which a batch has at the end of an epoch at most.
        return
    near = _NEAR * float(logits.abs().max())
    if torch.equal(again, logits) and alone.shape == logits[:1].shape and (alone - logits[:1]).abs().max() > near:
        raise TbftError(
            f"model '{name}' gives an image other logits beside others than alone, in PyTorch itself",
            "let no layer read along the batch: batch_first=True of attention and recurrent layers, batch norms that "
            "track statistics",
        )


def probe_reference(reference: Reference, forward: ForwardModel, images: Tensor, name: str) -> None:
    """Ask twice for logits. Raises TbftError if they are no numbers, of one class, or not the same again."""

    def run() -> Tensor:
        with torch.no_grad():
            return reference.logits(images.clone(), batch_statistics=())

    logits = _check_logits(_run(run, name, images), name, images)
    again = _check_logits(_run(run, name, images), name, images)
    _check_numbers(forward, name, is_finite=bool(torch.isfinite(logits).all()))
    if logits.shape[1] < 2:
        raise TbftError(f"model '{name}' has one logit, and cross-entropy needs one per class", _ROWS)
    if not torch.equal(logits, again):
        raise TbftError(
            f"model '{name}' gives other logits each time for the same images, in PyTorch itself",
            "take out what is random in eval mode: dropout that stays on, noise, random crops",
        )


def probe_batch(graph: Reference, images: Tensor, name: str) -> None:
    """Ask the `graph` of a module for one image more than it was traced with.

    Raises TbftError if it can be asked for as many alone; an operator that cannot be computed so says nothing.
    """
    if not _takes(graph, images, len(images) + 1):
        raise TbftError(
            f"the forward of model '{name}' makes a number of how many images there are, so that its graph holds for "
            f"{len(images)} alone",
            "take the number from x.shape[0], not from len(x) or int(…), or leave it open: reshape(-1, …)",
        )


def probe_fixed_batch(graph: Reference, images: Tensor, batch: int, name: str) -> None:
    """Ask the `graph` of a file, whose input says `batch` images, for other numbers of them.

    Raises TbftError if it does not take them, since layers inside say a number, too, or if an image's logits are not
    those that it has in a batch of `batch`.
    """
    counts = (len(images), len(images) + 1)
    if not all(_takes(graph, images, count) for count in counts) or not _are_apart(graph, images, batch):
        raise TbftError(
            f"model '{name}' is for batches of {batch}: layers inside hold that number, too",
            "export the file again with a batch that is left open, in PyTorch by dynamic_shapes=({0: 'n'},), or by "
            "input_names=['x'], dynamic_axes={'x': {0: 'n'}} where dynamo=False",
        )


def _are_apart(graph: Reference, images: Tensor, batch: int) -> bool:
    """Whether each image has the logits that it has among `batch` copies of itself."""
    try:
        with torch.no_grad():
            together = graph.logits(images.clone(), batch_statistics=())
            copies = [image.repeat(batch, 1, 1, 1) for image in images]
            alone = torch.stack([graph.logits(each, batch_statistics=())[0] for each in copies])
    except TbftError:
        return True
    return not bool((together - alone).abs().max() > _NEAR * alone.abs().max())


def _takes(graph: Reference, images: Tensor, count: int) -> bool:
    """Whether `graph` gives logits for so many images; true where an operator cannot be computed in PyTorch."""
    try:
        with torch.no_grad():
            logits = graph.logits(images[torch.arange(count) % len(images)], batch_statistics=())
    except TbftError:
        return True
    except Exception:  # PyTorch's, of sizes that do not fit.
        return False
    return len(logits) == count


def _check_numbers(forward: ForwardModel, name: str, *, is_finite: bool) -> None:
    """Raises TbftError that names a weight that is no number, or a variance that is none; masks may be infinite."""
    for node in forward.graph:
        variance = constant_input(node, 4) if node.op_type == "BatchNormalization" else None
        if variance is not None and (variance + node.attributes.get_float("epsilon", 1e-5) <= 0).any():
            value = node.inputs[4]
            raise TbftError(
                f"running variance '{value.name if value else ''}' of model '{name}' is negative or zero, "
                "so that its batch norm gives no numbers",
                "the weights are damaged: take an earlier checkpoint, or let it average again over images",
            )
    for key in sorted(forward.weights):
        values = forward.tensor(key).numpy()
        if np.isnan(values).any() or (not is_finite and np.isinf(values).any()):
            raise TbftError(
                f"tensor '{key}' of model '{name}' holds values that are no numbers (NaN or infinite)",
                "the weights are damaged, or their training diverged: take an earlier checkpoint",
            )
    if not is_finite:
        raise TbftError(
            f"model '{name}' gives logits that are no numbers (NaN or infinite) for images of noise, in PyTorch itself",
            "see which layer makes them: a division by zero, a root, a logarithm, or weights that are far too large",
        )


def final_activation(graph: ir.Graph) -> str | None:
    """The operator that squeezes the logits at the end of a graph, if one does.

    Raises TbftError for a softmax: behind another one, the loss's, it would not be trained.
    """
    node = graph.outputs[0].producer()
    if node is not None and node.op_type in ("Softmax", "LogSoftmax"):
        raise TbftError(
            f"the model ends in {node.op_type}, and the loss takes logits",
            "leave that last layer out, also where the model was trained with it: its answers stay the same",
        )
    return node.op_type if node is not None and node.op_type in ("Sigmoid", "Tanh") else None


def _run(forward: Callable[[], object], name: str, images: Tensor) -> object:
    try:
        return forward()
    except TbftError:
        raise
    except Exception as error:  # The user's own forward may raise anything.
        raise TbftError(
            f"model '{name}' fails in PyTorch itself with images of {sides_of(images)}: {reason_of(error)}",
            "check `image_size` (of signals `window` or `patch`) and `channels`, and that the forward takes "
            f"{_taken(images)} and nothing else",
        ) from error


def _check_logits(output: object, name: str, images: Tensor) -> Tensor:
    if not isinstance(output, Tensor):
        raise TbftError(f"model '{name}' returns no tensor", "return the logits from its forward, (N, classes)")
    shape = list(output.shape)
    has_rows = shape[:1] == [len(images)]
    if has_rows and len(shape) == 2:
        if output.dtype != torch.float32:
            raise TbftError(f"model '{name}' gives logits in {output.dtype}", "let its forward end in torch.float32")
        return output
    hint = "export a classifier: images in, one number per class out"
    if has_rows and len(shape) == 1:
        hint = _ROWS
    elif has_rows and all(each == 1 for each in shape[2:]):
        hint = "end its forward in flatten(1)"
    given = f"({', '.join(['N', *map(str, shape[1:])])})" if has_rows else str(tuple(shape))
    raise TbftError(f"model '{name}' maps {_taken(images)} to {given}, not to (N, classes)", hint)


def sides_of(images: Tensor) -> str:
    """Height and width of images (N, C, H, W), in words."""
    return " x ".join(map(str, images.shape[2:]))


def _taken(images: Tensor) -> str:
    return f"(N, {', '.join(map(str, images.shape[1:]))})"
