"""A layer between two trained ones: its gradients as the compiler writes them, and as torch.autograd has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from support.onnx_models import parse, run
from tbft_artifacts.names import GRADIENT_SUFFIX, LABELS, LOGITS, LOSS
from tbft_artifacts.plan import ConvolutionForm
from tbft_export.compile.statistics import batch_norms
from tbft_export.compile.training import training_model
from tbft_export.graph.forward import BATCH, IMAGES, ForwardModel
from tbft_export.pipeline import PassRunner, after_gradient, check_standard, clean_forward
from tbft_export.sources.trace import torch_to_onnx

CLASSES = 3
# Of the largest element of each gradient: what float32 loses in a few layers.
TOLERANCE = 2e-5
# Gradients of this size may be made of larger ones that cancel, such as that of a bias ahead of a norm.
SMALLEST = 1e-3

Arrays = dict[str, np.ndarray]
Tensors = Mapping[str, Tensor]
Layer = Callable[..., Tensor]


def assert_layer_trains(
    text: str,
    layer: Layer,
    shape: Sequence[int],
    *,
    weights: Mapping[str, np.ndarray] | None = None,
    constants: Mapping[str, np.ndarray] | None = None,
    form: ConvolutionForm = "direct",
    images: int = 2,
    seed: int = 0,
) -> list[str]:
    """Compare logits, loss and all gradients of images * scale -> h, the layer h -> y, y -> logits; the operators.

    `text` says the layer in ONNX's words, `layer(h, **weights)` in PyTorch's. The scale has an element for each pixel,
    so that its gradient is that of h; `weights` are trained, too, `constants` are not.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((images, *shape))
    with torch.no_grad():
        given = {name: torch.from_numpy(value.astype(np.float64)) for name, value in (weights or {}).items()}
        features = layer(torch.from_numpy(x), **given).flatten(1).shape[1]
    arrays: Arrays = {
        "scale": rng.standard_normal((1, *shape)),
        **(weights or {}),
        "head": rng.standard_normal((features, CLASSES)) / features**0.5,
    }
    arrays = {name: value.astype(np.float32) for name, value in arrays.items()}
    sizes = ",".join(map(str, shape))
    model = parse(
        f"g (float[{BATCH},{sizes}] {IMAGES}) => (float[{BATCH},{CLASSES}] {LOGITS}) "
        f"{{ h = Mul({IMAGES}, scale) {text} flat = Flatten(y) {LOGITS} = MatMul(flat, head) }}",
        **arrays,
        **(constants or {}),
    )

    def reference(inputs: Tensor, tensors: Tensors) -> Tensor:
        own = {name: tensors[name] for name in (weights or {})}
        return layer(inputs * tensors["scale"], **own).flatten(1) @ tensors["head"]

    forward = ForwardModel(PassRunner().run(model, clean_forward(frozenset(arrays))), frozenset(arrays))
    return assert_step(forward, arrays, reference, x.astype(np.float32), form=form, seed=seed)


def traced(module: nn.Module, shape: Sequence[int]) -> ForwardModel:
    """The forward graph of a module for inputs of (N, *shape), as the compiler takes it."""
    floats = frozenset(name for name, value in module.state_dict().items() if value.is_floating_point())
    model = PassRunner().run(torch_to_onnx(module, shape), clean_forward(floats))
    return ForwardModel(model, frozenset(name for name in model.graph.initializers if name in floats))


def assert_module_trains(
    module: nn.Module,
    shape: Sequence[int],
    *,
    form: ConvolutionForm = "direct",
    images: int = 2,
    batch_statistics: bool = False,
    seed: int = 0,
) -> list[str]:
    """The same for a whole network (N, *shape) -> (N, classes), traced; all norms use one kind of statistics."""
    forward = traced(module, shape)
    statistics = [norm.mean for norm in batch_norms(forward.graph)] if batch_statistics else []
    module.train(batch_statistics)
    arrays = {name: value.detach().numpy().copy() for name, value in module.named_parameters()}
    doubled = module.double()

    def reference(inputs: Tensor, tensors: Tensors) -> Tensor:
        result: Tensor = torch.func.functional_call(doubled, dict(tensors), (inputs,))
        return result

    x = np.random.default_rng(seed).standard_normal((images, *shape), np.float32)
    return assert_step(forward, arrays, reference, x, form=form, statistics=statistics, seed=seed)


def assert_step(
    forward: ForwardModel,
    trained: Arrays,
    reference: Callable[[Tensor, Tensors], Tensor],
    x: np.ndarray,
    *,
    form: ConvolutionForm,
    statistics: Sequence[str] = (),
    seed: int,
) -> list[str]:
    """One step of the device's graph on `x` against float64 in PyTorch; the operators of that graph."""
    names = list(trained)
    training = training_model(forward.model.clone(), forward.weights, names, statistics, PassRunner())
    tensors = {name: forward.tensor(name) for name in forward.weights}
    model = PassRunner().run(training, after_gradient(tensors, names, form))
    check_standard(model)

    leaves = {name: torch.from_numpy(value.astype(np.float64)).requires_grad_() for name, value in trained.items()}
    logits = reference(torch.from_numpy(x.astype(np.float64)), leaves)
    labels = np.random.default_rng(seed).integers(0, logits.shape[1], len(x))
    loss = functional.cross_entropy(logits, torch.from_numpy(labels))
    gradients = torch.autograd.grad(loss, list(leaves.values()))

    found = run(model, {forward.graph.inputs[0].name or "": x, LABELS: labels, **trained})
    expected = {f"{name}{GRADIENT_SUFFIX}": gradient for name, gradient in zip(names, gradients, strict=True)}
    for name, value in {LOSS: loss, **expected}.items():
        array = value.detach().numpy()
        atol = TOLERANCE * max(float(np.abs(array).max(initial=0)), SMALLEST)
        np.testing.assert_allclose(found[name], array, rtol=0, atol=atol, err_msg=name)
    return [node.op_type for node in model.graph]
