"""PyTorch eager as a user would write it: the target block's parameters require gradients. Host environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks import inputs
from benchmarks.network import resnet26
from benchmarks.protocol import Load, Subject, Train, Work
from benchmarks.workers.serve import Laps, serve

EVALUATION_BATCH = 64


class Training:
    """The network, its loss and its optimizer; batch norms in eval mode, or all in train mode as in the paper."""

    def __init__(self, subject: Subject, threads: int) -> None:
        torch.set_num_threads(threads)
        self.network = resnet26(subject.image_size)
        self.network.load_state_dict({**self.network.state_dict(), **load_file(subject.weights)})
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name in subject.trained)
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        assert len(trained) == len(subject.trained)
        self.batch_mode = subject.batch_norm == "batch"
        self.network.train(self.batch_mode)
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(trained, inputs.LR, inputs.MOMENTUM)

    def step(self, images: Tensor, labels: Tensor) -> float:
        """Train on a batch; returns the loss before."""
        self.optimizer.zero_grad()
        loss = self.loss(self.network(images), labels)
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
                total += self.loss(self.network(_tensor(images[part])), expected).item() * len(expected)
        self.network.train(self.batch_mode)
        return total / len(labels)


class PyTorch:
    """A `benchmarks.workers.serve.Trainer`."""

    def load(self, job: Load) -> Mapping[Work, Callable[[], float]]:
        training = Training(job.subject, job.threads)
        images, labels = map(
            torch.from_numpy, inputs.batch(job.batch_size, job.subject.image_size, job.subject.classes)
        )
        return {"step": lambda: training.step(images, labels)}

    def train(self, job: Train, laps: Laps) -> float:
        training = Training(job.subject, job.threads)
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
    serve(PyTorch(), {"torch": str(torch.__version__), "numpy": np.__version__})
