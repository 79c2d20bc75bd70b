"""Gradients of a small network as the compiler writes them, and as PyTorch gives them in float64. Host only."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
import torch
from torch import nn
from torch.nn import functional

from tbft_artifacts.input_shape import InputShape
from tbft_artifacts.names import GRADIENT_SUFFIX, LABELS
from tbft_artifacts.plan import ConvolutionForm
from tbft_export.compile.training import training_model
from tbft_export.graph.forward import ForwardModel
from tbft_export.graph.sessions import Session
from tbft_export.pipeline import PassRunner, after_gradient, check_standard, clean_forward
from tbft_export.sources.trace import torch_to_onnx

# Of the largest value of a gradient, what float32 may lose in a small network.
TOLERANCE = 1e-5


def traced(module: nn.Module, images: np.ndarray) -> ForwardModel:
    """The forward graph of a network of images (N, C, H, W)."""
    with torch.no_grad():
        model = torch_to_onnx(module.eval(), InputShape(*images.shape[1:]))
    names = frozenset(name for name, _ in module.named_parameters())
    model = PassRunner().run(model, clean_forward(names))
    return ForwardModel(model, frozenset(name for name in model.graph.initializers if name in names))


def gradient_graph(forward: ForwardModel, trainable: list[str], form: ConvolutionForm = "direct") -> ir.Model:
    """The graph that a device would train with, from the input on."""
    runner = PassRunner()
    training = training_model(forward.model.clone(), forward.weights, trainable, (), runner)
    tensors = {name: forward.tensor(name) for name in forward.weights}
    graph = runner.run(training, after_gradient(tensors, trainable, form))
    check_standard(graph)
    return graph


def assert_gradients_are_pytorchs(
    module: nn.Module, images: np.ndarray, labels: np.ndarray, form: ConvolutionForm = "direct"
) -> ir.Model:
    """Those of every parameter of `module`; returns the gradient graph."""
    forward = traced(module, images)
    trainable = [name for name, _ in module.named_parameters()]
    graph = gradient_graph(forward, trainable, form)
    weights = {name: forward.tensor(name).numpy() for name in trainable}
    feeds = {forward.graph.inputs[0].name or "": images, LABELS: labels, **weights}
    found = Session.of(graph).outputs(feeds)
    exact = _exact(module, images, labels)
    # A bias ahead of a norm changes nothing: its gradient is the rounding of sums of others.
    nothing = max(float(np.abs(each).max()) for each in exact.values()) / 100
    for name, expected in exact.items():
        gradient = found[f"{name}{GRADIENT_SUFFIX}"]
        largest = max(float(np.abs(expected).max()), nothing)
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=TOLERANCE * largest, err_msg=name)
    return graph


def _exact(module: nn.Module, images: np.ndarray, labels: np.ndarray) -> Mapping[str, np.ndarray]:
    exact = copy.deepcopy(module).double().eval()
    parameters = dict(exact.named_parameters())
    loss = functional.cross_entropy(exact(torch.from_numpy(images).double()), torch.from_numpy(labels))
    gradients = torch.autograd.grad(loss, list(parameters.values()))
    return {name: each.numpy() for name, each in zip(parameters, gradients, strict=True)}
