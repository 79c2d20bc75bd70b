"""Train the two ResNet-26 that the demo ships, on the source part of the digits.

    python demo/train_source.py [--epochs 20] [--out demo]

The result is committed, so the demo itself never runs this.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from digits import Dataset, Parts, source_and_field, source_superclasses
from rich.console import Console
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from tbft_export.sources.resnet26 import ResNet26

EVALUATION_BATCH = 256
COUNTER = "num_batches_tracked"
STDERR = Console(stderr=True)
STDOUT = Console(highlight=False)


@dataclass(frozen=True)
class Recipe:
    """How both models are trained."""

    epochs: int
    seed: int = 0
    batch_size: int = 32
    peak_lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    max_shift: int = 3


def normalized(data: Dataset) -> Tensor:
    """(N, 3, 32, 32) float32 in [-1, 1], as the exporter's default preprocessing for this network makes it."""
    return torch.from_numpy(data.images).permute(0, 3, 1, 2).float() / 127.5 - 1


def shifted(images: Tensor, max_shift: int, rng: np.random.Generator) -> Tensor:
    """The batch moved by up to `max_shift` pixels each way, black coming in: scans are never quite centred."""
    down, right = (int(shift) for shift in rng.integers(0, 2 * max_shift + 1, 2))
    padded = pad(images, (max_shift,) * 4, value=-1.0)
    return padded[..., down : down + images.shape[-2], right : right + images.shape[-1]]


def batches(values: Tensor, size: int) -> list[Tensor]:
    """`values` cut along the first axis into pieces of `size`; the last may be shorter."""
    return [values[start : start + size] for start in range(0, len(values), size)]


def train(data: Dataset, recipe: Recipe, title: str) -> ResNet26:
    """A ResNet-26 for `data`, from random weights. The same recipe gives the same weights on one machine."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    model = ResNet26(len(data.classes))
    images, labels = normalized(data), torch.from_numpy(data.labels)
    steps_per_epoch = len(data) // recipe.batch_size
    optimizer = torch.optim.SGD(
        model.parameters(), recipe.peak_lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.peak_lr, total_steps=recipe.epochs * steps_per_epoch, cycle_momentum=False
    )
    model.train()
    for _ in track(range(recipe.epochs), title, console=STDERR):
        order = torch.from_numpy(rng.permutation(len(data)))
        for batch in batches(order[: steps_per_epoch * recipe.batch_size], recipe.batch_size):
            loss = cross_entropy(model(shifted(images[batch], recipe.max_shift, rng)), labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return model.eval()


@torch.no_grad()
def accuracy(model: nn.Module, data: Dataset) -> float:
    """Share of `data` that `model`, in its current mode, classifies right."""
    predicted = torch.cat([model(batch).argmax(1) for batch in batches(normalized(data), EVALUATION_BATCH)])
    return float((predicted == torch.from_numpy(data.labels)).float().mean())


def save(model: nn.Module, path: Path) -> None:
    """Write the state dict as float16: half the size in the repository, and no accuracy lost."""
    state = {name: value.half() for name, value in model.state_dict().items() if not name.endswith(COUNTER)}
    save_file(state, path)
    path.chmod(0o644)  # safetensors writes files that only their owner can read.


def rounded(model: nn.Module) -> nn.Module:
    """`model` as `save` keeps it, so that the accuracy told is that of the file."""
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.copy_(value.half())
    return model


def main() -> None:
    """Train, test and save both models."""
    parser = argparse.ArgumentParser(description="Train the demo's source models.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    torch.set_num_threads(2)
    jobs: dict[str, Parts] = {"digits": source_and_field(), "digits_superclasses": source_superclasses()}
    for name, parts in jobs.items():
        model = rounded(train(parts.first, Recipe(options.epochs), name))
        path = options.out / f"{name}.safetensors"
        save(model, path)
        STDOUT.print(
            f"{name}: {accuracy(model, parts.second):.2%} of {len(parts.second)} held-out images, "
            f"trained on {len(parts.first)}, {path.stat().st_size / 1e6:.2f} MB"
        )


if __name__ == "__main__":
    main()
