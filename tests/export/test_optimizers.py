"""Update graphs compute what torch.optim computes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from support.agreement import OPTIMIZERS, Hyper
from support.onnx_models import session
from tbft_artifacts.plan import OptimizerKind, Parameter
from tbft_export.compile.update import build_update, optimizer

KINDS: tuple[OptimizerKind, ...] = ("sgd", "adam", "adamw")
PARAMETERS = (Parameter(name="conv.weight", shape=(3, 2, 3, 3)), Parameter(name="fc.bias", shape=(5,)))
STEPS = 20
# Of the largest element; 20 steps in float32 accumulate less than a tenth of this.
TOLERANCE = 1e-5

Arrays = dict[str, np.ndarray]

hypers = st.builds(
    Hyper,
    lr=st.floats(1e-5, 0.3),
    momentum=st.one_of(st.just(0.0), st.floats(0.1, 0.99)),
    weight_decay=st.one_of(st.just(0.0), st.floats(1e-5, 0.1)),
)


def learning_rate(hyper: Hyper, step: int) -> float:
    """As a schedule would change it: warm up for a few steps, then halve now and then."""
    return hyper.lr * min(1.0, step / 4) * 0.5 ** (step // 8)


def run_graph(kind: OptimizerKind, hyper: Hyper, weights: Arrays, gradients: list[Arrays]) -> Arrays:
    rule = optimizer(kind, 0.01, 0.9, None)
    graph: ort.InferenceSession = session(build_update(PARAMETERS, kind))
    values = dict(weights)
    values |= {p.state(slot): np.zeros(p.shape, np.float32) for p in PARAMETERS for slot in rule.slots}
    names = [output.name for output in graph.get_outputs()]
    for step, gradient in enumerate(gradients, start=1):
        scalars = {
            "lr": learning_rate(hyper, step),
            "momentum": hyper.momentum,
            "weight_decay": hyper.weight_decay,
            "step": step,
        }
        feeds = {name: np.array(scalars[name], np.float32) for name in rule.inputs}
        feeds |= values | {p.gradient: gradient[p.name] for p in PARAMETERS}
        updated = graph.run(None, feeds)
        values = {name.removesuffix(".new"): value for name, value in zip(names, updated, strict=True)}
    return {p.name: values[p.name] for p in PARAMETERS}


def run_torch(kind: OptimizerKind, hyper: Hyper, weights: Arrays, gradients: list[Arrays]) -> Arrays:
    tensors = {name: torch.from_numpy(value.copy()).requires_grad_(True) for name, value in weights.items()}
    rule = OPTIMIZERS[kind](list(tensors.values()), hyper)
    for step, gradient in enumerate(gradients, start=1):
        rule.param_groups[0]["lr"] = learning_rate(hyper, step)
        for name, tensor in tensors.items():
            tensor.grad = torch.from_numpy(gradient[name])
        rule.step()
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


@pytest.mark.parametrize("kind", KINDS)
@given(hyper=hypers, seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_twenty_steps_equal_torch_optim(kind: OptimizerKind, hyper: Hyper, seed: int) -> None:
    """Whatever the hyperparameters, and with a learning rate that changes from step to step."""
    rng = np.random.default_rng(seed)

    def random(scale: float) -> Arrays:
        return {p.name: (scale * rng.standard_normal(p.shape)).astype(np.float32) for p in PARAMETERS}

    weights, gradients = random(1.0), [random(0.1) for _ in range(STEPS)]
    found = run_graph(kind, hyper, weights, gradients)
    expected = run_torch(kind, hyper, weights, gradients)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=TOLERANCE * np.abs(value).max(), err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_of_zero_moves_nothing_without_weight_decay(kind: OptimizerKind) -> None:
    """A dead channel must not become NaN through Adam's division."""
    weights = {p.name: np.ones(p.shape, np.float32) for p in PARAMETERS}
    zeros = [{p.name: np.zeros(p.shape, np.float32) for p in PARAMETERS}] * 3
    found = run_graph(kind, Hyper(0.1, 0.9, 0.0), weights, zeros)
    for name, value in weights.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize(("kind", "weight_decay"), [("sgd", 0.0), ("adam", 0.0), ("adamw", 0.01)])
def test_the_default_weight_decay_is_that_of_torch(kind: OptimizerKind, weight_decay: float) -> None:
    assert optimizer(kind, 0.5, 0.9, None).weight_decay == weight_decay
    assert optimizer(kind, 0.5, 0.8, 0.0).weight_decay == 0.0


def test_every_scalar_is_an_input() -> None:
    """A device chooses lr, momentum, weight decay and counts steps; none is compiled in."""
    for kind in KINDS:
        rule = optimizer(kind, 0.01, 0.9, None)
        model = build_update(PARAMETERS, kind)
        inputs = {value.name: value for value in model.graph.inputs}
        assert {"lr", "momentum", "weight_decay"} <= set(rule.inputs)
        assert set(rule.inputs) <= inputs.keys()
        assert all(inputs[name].dtype == ir.DataType.FLOAT for name in rule.inputs)
