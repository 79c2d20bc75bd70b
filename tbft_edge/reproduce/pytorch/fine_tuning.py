"""Fine-tune a part of a torch module by a protocol, on the very batches that the device trains on."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tbft_edge.reproduce.augmentation import augmentation_rng, augmented
from tbft_edge.reproduce.protocol import Protocol
from tbft_edge.reproduce.pytorch.batch_norm import adapt_statistics, batch_statistics
from tbft_edge.reproduce.pytorch.best_state import BestState
from tbft_edge.reproduce.pytorch.evaluation import evaluate
from tbft_edge.reproduce.pytorch.images import Labelled, network_input
from tbft_edge.reproduce.pytorch.result import EpochEnd, PyTorchResult
from tbft_edge.reproduce.pytorch.threads import torch_threads
from tbft_export.blocks.names import select
from tbft_export.reference.torch_reference import TorchReference
from tbft_runtime.data.draw import shuffled


def fine_tune(
    module: nn.Module,
    trainable: Sequence[str],
    protocol: Protocol,
    train: Labelled,
    validation: Labelled,
    test: Labelled,
    *,
    threads: int,
    on_epoch: Callable[[EpochEnd], None] = lambda _: None,
) -> PyTorchResult:
    """Train the modules named by `trainable` (`reproduce.blocks.MODULES`) and test the best state.

    `module` is changed and ends in that state. The images of epoch n come in the order that a device with
    the same seed gives the images of an `.npz` or folder, where validation images are given apart.
    A loss that is no number ends the training; the best state before it counts, as on the device.
    Raises TbftError for a module that has no parameters.
    """
    with torch_threads(threads):
        before = evaluate(module, test)
        if protocol.batch_norm == "adapt":
            adapt_statistics(module, train.images, batch_size=protocol.batch_size, seed=protocol.seed)
        optimizer = make_optimizer(protocol, trained_parameters(module, trainable))
        starting = evaluate(module, validation)
        best = BestState(module, starting.loss)
        losses: list[float] = []
        seconds: list[float] = []
        diverged = False
        began = time.perf_counter()
        while len(losses) < protocol.epochs and not best.is_overdue(len(losses), protocol.patience):
            number = len(losses) + 1
            train_loss = _one_epoch(module, optimizer, protocol, train, number, seconds)
            found = None if train_loss is None else evaluate(module, validation)
            if train_loss is None or found is None or not math.isfinite(found.loss):
                diverged = True
                break
            losses.append(found.loss)
            on_epoch(EpochEnd(number, train_loss, found, best.offer(number, found.loss)))
        train_seconds = time.perf_counter() - began
        best.restore()
        return PyTorchResult(
            accuracy_before=before.accuracy,
            accuracy=evaluate(module, test).accuracy,
            starting_loss=starting.loss,
            validation_loss=tuple(losses),
            best_epoch=best.epoch,
            epochs=len(losses),
            step_seconds=statistics.median(seconds[1:]) if len(seconds) > 1 else None,
            train_seconds=train_seconds if losses else 0.0,
            diverged=diverged,
        )


def trained_parameters(module: nn.Module, trainable: Sequence[str]) -> list[Tensor]:
    """The parameters inside the modules `trainable`; only they need gradients afterwards.

    Raises TbftError for one that holds none.
    """
    parameters = dict(module.named_parameters())
    known = tuple(dict.fromkeys(name.partition(".")[0] for name in parameters))
    chosen = select(list(parameters), trainable, known)
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in chosen)
    return [parameters[name] for name in chosen]


def make_optimizer(protocol: Protocol, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
    """The rule that the device's update graph has, too."""
    lr, momentum, decay = protocol.lr, protocol.momentum, protocol.weight_decay
    if protocol.optimizer == "adam":
        return torch.optim.Adam(parameters, lr, (momentum, 0.999), weight_decay=decay)
    return torch.optim.SGD(parameters, lr, momentum, weight_decay=decay)


def _one_epoch(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    protocol: Protocol,
    train: Labelled,
    number: int,
    seconds: list[float],
) -> float | None:
    """Returns the mean loss along the way, None if it became no number; the time of each step goes into `seconds`."""
    reference = TorchReference(module)
    moving = batch_statistics(module, protocol.batch_norm)
    rng = augmentation_rng(protocol.seed, number)
    total = 0.0
    for batch in shuffled(np.arange(len(train.labels)), protocol.batch_size, (protocol.seed, number)):
        started = time.perf_counter()
        pixels = augmented(train.images[batch], rng) if protocol.augment else train.images[batch]
        logits = reference.logits(network_input(pixels), batch_statistics=moving)
        loss = functional.cross_entropy(logits, torch.from_numpy(train.labels[batch]))
        if not math.isfinite(loss.item()):
            return None
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        seconds.append(time.perf_counter() - started)
        total += loss.item() * len(batch)
    return total / len(train.labels)
