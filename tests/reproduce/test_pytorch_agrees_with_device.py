"""PyTorch and the device, each from images to best state, end alike: one protocol, two engines."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pytest
from torch import nn

from support import tiny_models
from support.agreement import relative_errors
from support.pictures import Pictures, coloured_pictures
from support.runs import state_of
from tbft_artifacts.plan import BatchNormPolicy, Drift
from tbft_edge.reproduce.protocol import Protocol
from tbft_edge.reproduce.pytorch.batch_norm import bn_only
from tbft_edge.reproduce.pytorch.fine_tuning import fine_tune
from tbft_edge.reproduce.pytorch.result import PyTorchResult
from tbft_export import ExportOptions, export_bundle
from tbft_runtime import TrainOptions, TrainResult, train

# 29 images in batches of 8: the last is short. Few steps, since a ReLU that rounding turns on one side only
# changes everything after it (support.decisions); this network has few activations, so that none does.
TRAIN, VALIDATION = 29, 40
PROTOCOL = Protocol(optimizer="sgd", lr=0.02, weight_decay=5e-4, batch_size=8, epochs=3, patience=3, seed=7)
HALF = (0.5, 0.5, 0.5)
LOSS_TOLERANCE = 1e-4
# Adam divides by the size of the gradient, and rounding with it.
TOLERANCES = {"sgd": 1e-4, "adam": 1e-3}

Optimizer = Literal["sgd", "adam"]
CASES: list[tuple[Drift, BatchNormPolicy, Optimizer]] = [
    ("input", "batch", "sgd"),
    ("input", "frozen", "sgd"),
    ("feature", "batch", "sgd"),
    ("feature", "adapt", "sgd"),
    ("output", "frozen", "adam"),
    ("full", "batch", "adam"),
    ("full", "adapt", "sgd"),
]


@pytest.fixture(scope="module")
def pictures() -> tuple[Pictures, Pictures]:
    """Images to train on, and others to validate on."""
    return coloured_pictures(TRAIN, seed=1), coloured_pictures(VALIDATION, seed=2)


def on_device(
    folder: Path, drift: Drift, protocol: Protocol, pictures: tuple[Pictures, Pictures]
) -> tuple[TrainResult, Path]:
    """Export for the protocol and train; returns the result and the run."""
    export_bundle(
        ExportOptions(
            model="support.tiny_models:tiny",
            drift=drift,
            batch_norm=protocol.batch_norm,
            batch_norm_part="whole" if protocol.batch_norm == "batch" else None,
            optimizer=protocol.optimizer,
            image_size=8,
            mean=HALF,
            std=HALF,
        ),
        folder / "bundle",
    )
    for name, part in zip(("train", "validation"), pictures, strict=True):
        np.savez(folder / f"{name}.npz", images=part.images, labels=part.labels)
    options = TrainOptions(
        data=folder / "train.npz",
        validation=folder / "validation.npz",
        out=folder / "run",
        epochs=protocol.epochs,
        lr=protocol.lr,
        momentum=protocol.momentum,
        weight_decay=protocol.weight_decay,
        batch_size=protocol.batch_size,
        patience=protocol.patience,
        seed=protocol.seed,
        starting_head="kept",
        threads=1,
        meter="none",
    )
    return train(folder / "bundle", options), folder / "run"


def in_pytorch(
    blocks: tuple[str, ...], protocol: Protocol, pictures: tuple[Pictures, Pictures]
) -> tuple[PyTorchResult, nn.Module]:
    """The same there; the validation images are tested on, too."""
    module = tiny_models.tiny()
    return fine_tune(module, blocks, protocol, *pictures, pictures[1], threads=1), module


def tensors_of(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy() for name, value in module.state_dict().items()}


@pytest.mark.parametrize(("drift", "policy", "optimizer"), CASES)
def test_same_losses_and_same_best_state(
    tmp_path: Path, pictures: tuple[Pictures, Pictures], drift: Drift, policy: BatchNormPolicy, optimizer: Optimizer
) -> None:
    """Order of images, normalisation, optimizer, batch norms and what is kept are the same in both engines."""
    lr = {"sgd": 0.02, "adam": 3e-3}[optimizer]
    protocol = msgspec.structs.replace(PROTOCOL, optimizer=optimizer, batch_norm=policy, lr=lr)
    device, run = on_device(tmp_path, drift, protocol, pictures)
    pytorch, module = in_pytorch(device.blocks, protocol, pictures)

    state = state_of(run)
    starting = state.adapted if policy == "adapt" else state.before
    assert starting is not None
    found = [starting.loss, *(epoch.validation.loss for epoch in state.epochs)]
    np.testing.assert_allclose(
        found, [pytorch.starting_loss, *pytorch.validation_loss], rtol=LOSS_TOLERANCE, err_msg="validation losses"
    )
    assert (pytorch.best_epoch, pytorch.epochs) == (device.best_epoch, device.epochs)
    assert pytorch.best_epoch > 0
    assert pytorch.accuracy == device.accuracy_after
    assert pytorch.accuracy_before == device.accuracy_before
    expected = {name: value for name, value in tensors_of(module).items() if name in state.best}
    errors = {name: float(error.max()) for name, error in relative_errors(state.best, expected).items()}
    assert {name: error for name, error in errors.items() if not error <= TOLERANCES[optimizer]} == {}


def test_the_comparison_would_see_another_order(pictures: tuple[Pictures, Pictures]) -> None:
    """Images in another order end far outside the tolerances above, so agreement says something."""
    other = msgspec.structs.replace(PROTOCOL, seed=PROTOCOL.seed + 1)
    first, _ = in_pytorch(("layer2",), PROTOCOL, pictures)
    second, _ = in_pytorch(("layer2",), other, pictures)
    differences = np.abs(np.subtract(first.validation_loss, second.validation_loss))
    assert differences.max() > 10 * LOSS_TOLERANCE * max(first.validation_loss)


def test_both_stop_when_patience_ends(tmp_path: Path, pictures: tuple[Pictures, Pictures]) -> None:
    """Where training soon makes the validation loss worse, both wait as long and keep the same epoch."""
    training, validation = pictures
    contrary = training, Pictures(validation.images, (validation.labels + 1) % 4)
    protocol = msgspec.structs.replace(PROTOCOL, epochs=9, patience=2, batch_norm="frozen")
    device, _ = on_device(tmp_path, "feature", protocol, contrary)
    pytorch, _ = in_pytorch(device.blocks, protocol, contrary)
    assert device.stopped == "patience"
    assert (pytorch.best_epoch, pytorch.epochs) == (device.best_epoch, device.epochs)
    assert pytorch.epochs == pytorch.best_epoch + protocol.patience < protocol.epochs
    losses = [pytorch.starting_loss, *pytorch.validation_loss]
    assert losses.index(min(losses)) == pytorch.best_epoch


def test_same_accuracy_with_statistics_re_estimated_alone(tmp_path: Path, pictures: tuple[Pictures, Pictures]) -> None:
    """The row "batch-norm statistics only" of both engines is the same experiment."""
    protocol = msgspec.structs.replace(PROTOCOL, epochs=0, batch_norm="adapt")
    device, run = on_device(tmp_path, "feature", protocol, pictures)
    module = tiny_models.tiny()
    assert bn_only(module, *pictures, protocol, threads=1) == device.accuracy_after
    state = state_of(run)
    errors = relative_errors(state.best, {name: tensors_of(module)[name] for name in state.best})
    assert len(errors) == 2 * sum(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())
    assert max(error.max() for error in errors.values()) < 1e-5
