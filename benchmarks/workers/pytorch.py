"""PyTorch as a user would write it: the target block's parameters require gradients. Host environment.

Its argument is `channels-last` for the other memory format, or `compile` for `torch.compile`, which takes a C++
compiler; without one it is eager in the format that it comes in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks import inputs
from benchmarks.network import build
from benchmarks.protocol import Load, Subject, Train, Work
from benchmarks.workers.serve import Laps, serve

EVALUATION_BATCH = 64
Way = Literal["eager", "channels-last", "compile"]


class Training:
    """The network, its loss and its optimizer; norms in train mode where ours use the batch's statistics."""

    def __init__(self, subject: Subject, threads: int, way: Way = "eager") -> None:
        torch.set_num_threads(threads)
        self.network = build(subject.network, subject.image_size)
        self.network.load_state_dict({**self.network.state_dict(), **load_file(subject.weights)})
        self.format = torch.channels_last if way == "channels-last" else torch.contiguous_format
        self.network = self.network.to(memory_format=self.format)  # type: ignore[call-overload]
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name in subject.trained)
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        assert len(trained) == len(subject.trained)
        self.norms = [
            layer for name, layer in self.network.named_modules() if f"{name}.running_mean" in subject.statistics
        ]
        assert len(self.norms) == len(subject.statistics)
        self.train_mode()
        # As they are for a batch of each size, and not for all sizes at once.
        self.forward = torch.compile(self.network, dynamic=False) if way == "compile" else self.network
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(trained, inputs.LR, inputs.MOMENTUM)

    def train_mode(self) -> None:
        """Of the norms that have one."""
        for norm in self.norms:
            norm.train()

    def step(self, images: Tensor, labels: Tensor) -> float:
        """Train on a batch; returns the loss before."""
        self.optimizer.zero_grad()
        loss = self.loss(self.forward(images.contiguous(memory_format=self.format)), labels)
        loss.backward()
        self.optimizer.step()
        return float(loss.item())

    def evaluate(self, images: np.ndarray, labels: np.ndarray) -> float:
        """The mean loss of (N, S, S, 3) uint8 images, in eval mode."""
        self.network.eval()
        total = 0.0
        with torch.inference_mode():
            for start in range(0, len(labels), EVALUATION_BATCH):
                part = slice(start, start + EVALUATION_BATCH)
                expected = torch.from_numpy(labels[part])
                total += self.loss(self._logits(images[part]), expected).item() * len(expected)
        self.train_mode()
        return total / len(labels)

    def _logits(self, images: np.ndarray) -> Tensor:
        logits: Tensor = self.forward(_tensor(images).contiguous(memory_format=self.format))
        return logits


class PyTorch:
    """A `benchmarks.workers.serve.Trainer`."""

    def __init__(self, way: Way = "eager") -> None:
        self.way = way

    def load(self, job: Load) -> Mapping[Work, Callable[[], float]]:
        training = Training(job.subject, job.threads, self.way)
        images, labels = map(
            torch.from_numpy, inputs.batch(job.batch_size, job.subject.image_size, job.subject.classes)
        )
        first = slice(job.check_size)
        return {
            "step": lambda: training.step(images, labels),
            "check": lambda: training.step(images[first], labels[first]),
        }

    def train(self, job: Train, laps: Laps) -> float:
        training = Training(job.subject, job.threads, self.way)
        (images, labels), (held_out, answers) = _read(job.images), _read(job.validation)
        rng = np.random.default_rng(0)
        laps.pause()
        before = best = training.evaluate(held_out, answers)
        kept = _copy(training.network)
        for _ in range(job.epochs):
            order = rng.permutation(len(labels))
            for start in range(0, len(order), job.batch_size):
                chosen = order[start : start + job.batch_size]
                training.step(_tensor(images[chosen]), torch.from_numpy(labels[chosen]))
            loss = training.evaluate(held_out, answers)
            if loss < best:
                best, kept = loss, _copy(training.network)
            laps.pause()
        assert kept
        return before


def _read(path: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path) as data:
        return data["images"], data["labels"]


def _tensor(images: np.ndarray) -> Tensor:
    return torch.from_numpy(inputs.normalized(images))


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


if __name__ == "__main__":
    chosen: Way = "channels-last" if "channels-last" in sys.argv else "compile" if "compile" in sys.argv else "eager"
    serve(PyTorch(chosen), {"torch": str(torch.__version__), "numpy": np.__version__})
