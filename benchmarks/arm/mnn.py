"""A few train steps of MNN on emulated ARM: `… JOB`, the path of a `TrainJob` as JSON. Prints the losses.

Its modules are Python's own API, `MNN.nn` and `MNN.optim`, which its wheels bring along.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import MNN
import msgspec
import numpy as np
from safetensors.numpy import load_file

from benchmarks.arm.job import TrainJob, mark

F = MNN.expr
# Without it every operator is computed at once, and nothing is left to differentiate.
F.lazy_eval(True)
F.set_thread_number(1)

Var = Any
Layer = Callable[[Var], Var]
EPSILON = 1e-5


class Layers(MNN.nn.Module):  # type: ignore[misc]
    """Layers with the job's weights, each registered here; of those that are frozen the weights are constants."""

    def __init__(self, job: TrainJob) -> None:
        super().__init__()
        self.job = job
        self.weights = load_file(job.weights)
        self.norms: list[tuple[str, Any]] = []
        self.kept: list[tuple[Any, Sequence[str | None]]] = []

    def conv(self, name: str, stride: int = 1) -> Layer:
        """A convolution without bias, padded to keep the size; as many groups as channels where filters are flat."""
        outputs, inputs, side, _ = self.weights[f"{name}.weight"].shape
        depthwise = inputs == 1
        sizes = ([side, side], [stride, stride], [side // 2, side // 2], [1, 1])
        conv = MNN.nn.conv(outputs if depthwise else inputs, outputs, *sizes, depthwise, False, F.Padding_Mode.CAFFE)
        # It has a bias all the same.
        return self._with(conv, [f"{name}.weight" if len(each.shape) == 4 else None for each in conv.parameters])

    def norm(self, name: str) -> Layer:
        norm = MNN.nn.batch_norm(len(self.weights[f"{name}.weight"]), 4, 0.9, EPSILON)
        self.norms.append((name, norm))
        return self._with(norm, [f"{name}.{each}" for each in ("weight", "bias", "running_var", "running_mean")])

    def linear(self, name: str) -> Layer:
        outputs, inputs = self.weights[f"{name}.weight"].shape
        linear = MNN.nn.linear(inputs, outputs)
        names = [f"{name}.{'bias' if each.shape[0] == 1 else 'weight'}" for each in linear.parameters]
        return self._with(linear, names)

    def settle(self) -> None:
        """Give every norm its mode; call it when all layers are there."""
        # In eval mode MNN would hold parameters for constants.
        self.train(True)
        for name, norm in self.norms:
            norm.train(f"{name}.running_mean" in self.job.batch_statistics)
        for module, names in self.kept:
            for parameter, origin in zip(module.parameters, names, strict=True):
                if origin in self.job.trained:
                    parameter.fix_as_trainable()
                else:
                    parameter.fix_as_const()

    def _with(self, module: Any, names: Sequence[str | None]) -> Layer:
        shapes = [parameter.shape for parameter in module.parameters]
        values = [
            np.zeros(shape, np.float32) if name is None else self.weights[name].reshape(shape)
            for shape, name in zip(shapes, names, strict=True)
        ]
        module.load_parameters([constant(value) for value in values])
        setattr(self, f"layer{len(self.kept)}", module)
        self.kept.append((module, names))
        return module  # type: ignore[no-any-return]


def constant(values: np.ndarray) -> Var:
    """The values as MNN keeps them, float32."""
    return F.const(values.astype(np.float32).ravel().tolist(), list(values.shape), F.NCHW)


def resnet26(layers: Layers) -> Layer:
    """The network of `tbft_export.sources.resnet26`: (N, 3, 32, 32)."""
    stem = layers.conv("conv1")
    blocks = []
    for stage, channels in enumerate((16, 32, 64), start=1):
        for index in range(4):
            stride = 2 if stage > 1 and index == 0 else 1
            blocks.append(_pre_activation(layers, f"layer{stage}.{index}", stride, channels // 2 if stride > 1 else 0))
    norm, head = layers.norm("bn"), layers.linear("fc")

    def forward(x: Var) -> Var:
        x = stem(x)
        for block in blocks:
            x = block(x)
        x = F.convert(F.avg_pool(F.relu(norm(x)), [8, 8], [8, 8]), F.NCHW)
        return head(F.reshape(x, [0, -1]))

    return forward


def _pre_activation(layers: Layers, name: str, stride: int, zeros: int) -> Layer:
    norms = [layers.norm(f"{name}.bn{number}") for number in (1, 2)]
    convs = [layers.conv(f"{name}.conv1", stride), layers.conv(f"{name}.conv2")]

    def forward(x: Var) -> Var:
        y = x
        for norm, conv in zip(norms, convs, strict=True):
            y = conv(F.relu(norm(y)))
        if not zeros:
            return x + y
        pooled = F.convert(F.avg_pool(x, [2, 2], [2, 2]), F.NCHW)
        count, _, height, width = pooled.shape
        padding = constant(np.zeros((count, zeros, height, width)))
        return F.convert(F.concat([pooled, padding], 1), F.NC4HW4) + y

    return forward


NETWORKS: dict[str, Callable[[Layers], Layer]] = {"resnet26": resnet26}


def main() -> None:
    """Train; losses are read outside the steps, since MNN would compute the forward pass once more for them."""
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=TrainJob)
    if job.network not in NETWORKS:
        sys.exit(f"{job.network} is not written with MNN's layers")
    layers = Layers(job)
    network = NETWORKS[job.network](layers)
    layers.settle()
    with np.load(job.batch) as batch:
        images, labels = constant(batch["images"]), batch["labels"]
    expected = constant(np.eye(job.classes)[labels])
    optimizer = MNN.optim.SGD(layers, job.lr, job.momentum)

    def loss() -> Var:
        return MNN.nn.loss.cross_entropy(F.softmax(network(F.convert(images, F.NC4HW4)), 1), expected)

    losses = [float(loss().read())]
    for _ in range(job.steps):
        mark(job.marks[0])
        before = loss()
        if not optimizer.step(before):
            sys.exit("MNN found no gradient")
        mark(job.marks[1])
        losses.append(float(before.read()))  # Computed anew, with the weights of now.
    sys.stdout.write(msgspec.json.encode(losses[:-1]).decode() + "\n")


if __name__ == "__main__":
    main()
