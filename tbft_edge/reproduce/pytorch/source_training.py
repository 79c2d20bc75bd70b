"""Train the source network, where there is no checkpoint of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tbft_artifacts.errors import DivergedError
from tbft_edge.reproduce.augmentation import augmentation_rng, augmented
from tbft_edge.reproduce.pytorch.images import Labelled, network_input
from tbft_edge.reproduce.pytorch.source_progress import SourceProgress, fingerprint, save_tensors
from tbft_edge.reproduce.pytorch.source_recipe import SourceRecipe
from tbft_edge.reproduce.pytorch.threads import torch_threads
from tbft_export.sources.resnet26 import ResNet26
from tbft_runtime.data.draw import shuffled


@dataclass(frozen=True)
class SourceEpoch:
    """An epoch is over: its number from 1 on, its learning rate, mean loss and accuracy (0 to 1) along the way."""

    number: int
    lr: float
    loss: float
    accuracy: float


def train_source(
    data: Labelled,
    classes: int,
    out: Path,
    recipe: SourceRecipe,
    *,
    threads: int,
    on_epoch: Callable[[SourceEpoch], None] = lambda _: None,
) -> nn.Module:
    """Train a ResNet-26 on `data` and write its state dict to `out`, a `.safetensors` file.

    After each epoch everything is kept in `out` with `.training` appended; calling again goes on from there
    and, with the same number of threads, ends in the same weights. That file is removed in the end.
    Raises TbftError for a damaged or foreign one, and DivergedError when the loss is no number.
    """
    progress = SourceProgress(out.with_name(f"{out.name}.training"), recipe, fingerprint(data))
    with torch_threads(threads):
        network = fresh_network(classes, data.images.shape[1], recipe.seed)
        optimizer = torch.optim.SGD(network.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay)
        for number in range(progress.load(network, optimizer) + 1, recipe.epochs + 1):
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate(number)
            loss, accuracy = _one_epoch(network, optimizer, recipe, data, number)
            progress.save(number, network, optimizer)
            on_epoch(SourceEpoch(number, recipe.learning_rate(number), loss, accuracy))
        save_tensors(network.state_dict(), out)
    progress.path.unlink(missing_ok=True)
    return network.eval()


def fresh_network(classes: int, image_size: int, seed: int) -> ResNet26:
    """A ResNet-26 with random weights: He's, by outgoing channels, for convolutions, as in the code it comes from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ResNet26(classes, image_size)
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return network


def _one_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, recipe: SourceRecipe, data: Labelled, number: int
) -> tuple[float, float]:
    """Mean loss and accuracy along the way."""
    network.train()
    rng = augmentation_rng(recipe.seed, number)
    total, correct, count = 0.0, 0, len(data.labels)
    for batch in shuffled(np.arange(count), recipe.batch_size, (recipe.seed, number)):
        labels = torch.from_numpy(data.labels[batch])
        logits = network(network_input(augmented(data.images[batch], rng)))
        loss = functional.cross_entropy(logits, labels)
        if not math.isfinite(loss.item()):
            raise DivergedError(f"the loss became {loss.item()} in epoch {number}", "train with a lower learning rate")
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        total += loss.item() * len(batch)
        correct += int((logits.argmax(1) == labels).sum())
    return total / count, correct / count
