"""MNN's expressions and its optimizer, the network built layer by layer. An environment of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import MNN
import numpy as np
from MNN import expr, nn, optim
from safetensors.numpy import load_file

from benchmarks import inputs
from benchmarks.layers import Layer, read_layers
from benchmarks.protocol import Load, Work
from benchmarks.workers.serve import serve

_CHANNELS = (1, -1, 1, 1)
_OVER_IMAGES = [0, 2, 3]
# The tensors of a module, in MNN's order.
_OF_KIND = {
    "convolution": ("weight",),
    "norm": ("weight", "bias", "running_mean", "running_var"),
    "linear": ("bias", "weight"),
}


class Network(nn.Module):  # type: ignore[misc]
    """The layers. Those that are trained are MNN's modules, the only ones whose tensors its optimizer finds."""

    def __init__(self, job: Load) -> None:
        super().__init__()
        self.layers = read_layers(Path(job.subject.layers))
        self.statistics = job.subject.statistics
        self.tensors = {name: _constant(array) for name, array in load_file(job.subject.weights).items()}
        self.modules = {}
        for layer in self.layers:
            is_trained = f"{layer.name}.weight" in job.subject.trained
            # A plain matrix product passes no gradient on.
            if is_trained or layer.kind == "linear":
                self.modules[layer.name] = self._module(layer, is_trained=is_trained)
                setattr(self, f"trained_{len(self.modules)}", self.modules[layer.name])

    def _module(self, layer: Layer, *, is_trained: bool) -> Any:
        names = [f"{layer.name}.{kind}" for kind in _OF_KIND[layer.kind]]
        tensors = [self.tensors[name] for name in names]
        if layer.kind == "linear":
            tensors[0] = expr.reshape(tensors[0], [1, -1])
        if is_trained:
            for tensor in tensors:
                tensor.fix_as_trainable()
        if layer.kind == "convolution":
            outputs, inputs_of_one, *kernel = tensors[0].shape
            depthwise = layer.groups > 1
            strides, paddings = [layer.stride] * 2, [layer.padding] * 2
            module = nn.conv(
                inputs_of_one * layer.groups, outputs, kernel, strides, paddings, [1, 1], depthwise, False, expr.CAFFE
            )
        elif layer.kind == "norm":
            module = nn.batch_norm(tensors[0].shape[1], 4, 0.9, layer.epsilon)
        else:
            outputs, channels = tensors[1].shape
            module = nn.linear(channels, outputs)
        if not module.load_parameters(tensors):
            raise RuntimeError(f"{layer.name} does not take its parameters")
        return module

    def forward(self, images: Any) -> Any:
        """(N, 3, S, S) in MNN's own layout -> logits."""
        values = [images]
        for layer in self.layers:
            values.append(self._value(layer, *(values[place + 1] for place in layer.inputs)))
        return values[-1]

    def _value(self, layer: Layer, x: Any, *others: Any) -> Any:
        if layer.name in self.modules:
            return self.modules[layer.name].forward(x)
        match layer.kind:
            case "convolution":
                return self._convolution(layer, x)
            case "norm":
                return self._norm(layer, x)
            case "relu":
                return expr.relu(x)
            case "relu6":
                return expr.relu6(x)
            case "add":
                return x + others[0]
            case "pad":
                return _padded(x, layer.pad)
            case "max-pool":
                # Its padding is Caffe's, which rounds up; nothing is below the zeros that stand behind a ReLU.
                edges = ((0, 0), (0, 0), *[(layer.padding,) * 2] * 2)
                return expr.max_pool(_padded(x, edges), [layer.kernel] * 2, [layer.stride] * 2)
            case "average-pool":
                return expr.avg_pool(x, [layer.kernel] * 2, [layer.stride] * 2)
            case "mean":
                sides = list(x.shape[2:])
                return expr.avg_pool(x, sides, sides)
            case "flatten":
                return expr.reshape(expr.convert(x, expr.NCHW), [0, -1])
            case "linear":
                raise AssertionError("a module")

    def _convolution(self, layer: Layer, x: Any) -> Any:
        weight = self.tensors[f"{layer.name}.weight"]
        bias = expr.const(np.zeros(weight.shape[0], np.float32), [weight.shape[0]], expr.NCHW)
        return expr.conv2d(
            x, weight, bias, [layer.stride] * 2, [layer.padding] * 2, [1, 1], layer.groups, expr.CAFFE
        )  # fmt: skip

    def _norm(self, layer: Layer, x: Any) -> Any:
        gain, shift, mean, variance = (
            self.tensors[f"{layer.name}.{kind}"] for kind in ("weight", "bias", "running_mean", "running_var")
        )
        if f"{layer.name}.running_mean" in self.statistics:
            mean = expr.reduce_mean(x, _OVER_IMAGES, True)
            variance = expr.reduce_mean((x - mean) * (x - mean), _OVER_IMAGES, True)
        # Of a reciprocal root MNN has no gradient.
        return (x - mean) / expr.sqrt(variance + expr.const([layer.epsilon], [1, 1, 1, 1], expr.NCHW)) * gain + shift


def _padded(x: Any, edges: Sequence[tuple[int, int]]) -> Any:
    """Zeros beside it: MNN's own padding passes no gradient on."""
    value = expr.convert(x, expr.NCHW)
    for axis, (before, after) in enumerate(edges):
        shapes = [[*value.shape[:axis], count, *value.shape[axis + 1 :]] for count in (before, after)]
        first, last = ([_constant(np.zeros(shape, np.float32))] if shape[axis] else [] for shape in shapes)
        if first or last:
            value = expr.concat([*first, value, *last], axis)
    return expr.convert(value, expr.NC4HW4)


def _constant(array: np.ndarray) -> Any:
    shaped = array.reshape(_CHANNELS) if array.ndim == 1 else array
    return expr.const(np.ascontiguousarray(shaped), list(shaped.shape), expr.NCHW)


class Mnn:
    """A `benchmarks.workers.serve.Contestant`; running averages, a little work, are not moved."""

    def load(self, job: Load) -> Mapping[Work, Callable[[], float]]:
        # Else a value forgets what it was made of, and the optimizer finds no gradient.
        expr.lazy_eval(True)
        expr.set_thread_number(job.threads)
        network = Network(job)
        network.train(True)
        optimizer = optim.SGD(network, inputs.LR, inputs.MOMENTUM)
        images, labels = inputs.batch(job.batch_size, job.subject.image_size, job.subject.classes)
        wanted = np.eye(job.subject.classes, dtype=np.float32)[labels]

        def step(count: int) -> float:
            x = expr.const(images[:count].copy(), [count, *images.shape[1:]], expr.NCHW)
            y = expr.const(wanted[:count].copy(), [count, wanted.shape[1]], expr.NCHW)
            loss = nn.loss.cross_entropy(expr.softmax(network.forward(expr.convert(x, expr.NC4HW4))), y)
            value = float(loss.read())
            if not optimizer.step(loss):
                raise RuntimeError("the optimizer found no gradient")
            return value

        return {"step": lambda: step(job.batch_size), "check": lambda: step(job.check_size)}


if __name__ == "__main__":
    serve(Mnn(), {"MNN": MNN.version(), "numpy": np.__version__})
