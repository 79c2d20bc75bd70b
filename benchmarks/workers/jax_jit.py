"""JAX: the whole step, update included, as one jitted function. An environment of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp
from safetensors.numpy import load_file

from benchmarks import inputs
from benchmarks.layers import Layer, read_layers
from benchmarks.protocol import Load, Work
from benchmarks.workers.serve import serve

# Weight of a batch's statistics in the running averages, as PyTorch's.
AVERAGING = 0.1
Tensors = dict[str, Any]


class Network:
    """Layers as a function of images and tensors; which norms use the batch's statistics is fixed."""

    def __init__(self, layers: list[Layer], statistics: tuple[str, ...]) -> None:
        self.layers = layers
        self.statistics = frozenset(statistics)

    def __call__(self, tensors: Tensors, images: Any) -> tuple[Any, Tensors]:
        """(N, 3, S, S) -> logits, and the running averages that moved."""
        values = [images]
        moved: Tensors = {}
        for layer in self.layers:
            x, *others = (values[place + 1] for place in layer.inputs)
            if layer.kind == "norm":
                values.append(self._norm(layer, x, tensors, moved))
            else:
                values.append(_value(layer, x, others, tensors))
        return values[-1], moved

    def _norm(self, layer: Layer, x: Any, tensors: Tensors, moved: Tensors) -> Any:
        kinds = ("running_mean", "running_var")
        mean, variance = (tensors[f"{layer.name}.{kind}"] for kind in kinds)
        if f"{layer.name}.running_mean" in self.statistics:
            averages = mean, variance
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
            count = x.size // x.shape[1]
            seen = lax.stop_gradient(mean), lax.stop_gradient(variance) * count / (count - 1)
            for kind, average, new in zip(kinds, averages, seen, strict=True):
                moved[f"{layer.name}.{kind}"] = average + AVERAGING * (new - average)
        gain = tensors[f"{layer.name}.weight"] * lax.rsqrt(variance + layer.epsilon)
        return (x - _per_channel(mean)) * _per_channel(gain) + _per_channel(tensors[f"{layer.name}.bias"])


def _value(layer: Layer, x: Any, others: list[Any], tensors: Tensors) -> Any:
    sides = (1, 1, layer.kernel, layer.kernel), (1, 1, layer.stride, layer.stride)
    match layer.kind:
        case "convolution":
            strides, edges = (layer.stride,) * 2, [(layer.padding,) * 2] * 2
            weight = tensors[f"{layer.name}.weight"]
            return lax.conv_general_dilated(x, weight, strides, edges, feature_group_count=layer.groups)
        case "linear":
            return x @ tensors[f"{layer.name}.weight"].T + tensors[f"{layer.name}.bias"]
        case "relu":
            return jax.nn.relu(x)
        case "relu6":
            return jax.nn.relu6(x)
        case "add":
            return x + others[0]
        case "pad":
            return jnp.pad(x, layer.pad)
        case "max-pool":
            edges = [(0, 0), (0, 0), (layer.padding,) * 2, (layer.padding,) * 2]
            return lax.reduce_window(x, -jnp.inf, lax.max, *sides, edges)
        case "average-pool":
            return lax.reduce_window(x, 0.0, lax.add, *sides, "VALID") / layer.kernel**2
        case "mean":
            return x.mean((2, 3), keepdims=True)
        case "flatten":
            return x.reshape(len(x), -1)
        case kind:
            raise AssertionError(kind)


def _per_channel(values: Any) -> Any:
    return values[:, None, None]


class Jax:
    """A `benchmarks.workers.serve.Contestant`. It has no option for threads: it gets as many cores."""

    def load(self, job: Load) -> Mapping[Work, Callable[[], float]]:
        _pin(job.threads)
        subject = job.subject
        network = Network(read_layers(Path(subject.layers)), subject.statistics)
        tensors = {name: jnp.asarray(array) for name, array in load_file(subject.weights).items()}
        trained = {name: tensors.pop(name) for name in subject.trained}
        velocity = {name: jnp.zeros_like(tensor) for name, tensor in trained.items()}

        def loss(trained: Tensors, fixed: Tensors, images: Any, labels: Any) -> tuple[Any, Tensors]:
            logits, moved = network({**fixed, **trained}, images)
            chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)
            return -chosen.mean(), moved

        def update(trained: Tensors, velocity: Tensors, fixed: Tensors, images: Any, labels: Any) -> Any:
            (value, moved), gradient = jax.value_and_grad(loss, has_aux=True)(trained, fixed, images, labels)
            velocity = {name: inputs.MOMENTUM * velocity[name] + gradient[name] for name in trained}
            return value, {name: trained[name] - inputs.LR * velocity[name] for name in trained}, velocity, moved

        # Moved in place, as the others do.
        jitted = jax.jit(update, donate_argnums=(0, 1))
        images, labels = map(np.asarray, inputs.batch(job.batch_size, subject.image_size, subject.classes))

        def step(count: int) -> float:
            nonlocal trained, velocity
            value, trained, velocity, moved = jitted(trained, velocity, tensors, images[:count], labels[:count])
            tensors.update(moved)
            return float(value)

        return {"step": lambda: step(job.batch_size), "check": lambda: step(job.check_size)}


def _pin(threads: int) -> None:
    """Before the first computation, which makes a pool of as many threads as the process may use cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


if __name__ == "__main__":
    serve(Jax(), {"jax": jax.__version__, "numpy": np.__version__})
