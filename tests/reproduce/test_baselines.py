"""Tent, SHOT and T3A do what their papers say: each against a computation by hand, and without a label."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from support.fake_data_sets import photos
from support.tiny_models import shake
from tbft_edge.reproduce.baselines import BASELINES, Baseline, Shot, Tent
from tbft_edge.reproduce.pytorch.images import network_input
from tbft_edge.reproduce.pytorch.request import AdaptRequest, Request
from tbft_edge.reproduce.pytorch.unlabelled.shot import pseudo_labels, shot, shot_loss
from tbft_edge.reproduce.pytorch.unlabelled.t3a import t3a, t3a_templates
from tbft_edge.reproduce.pytorch.unlabelled.tent import tent
from tbft_edge.reproduce.pytorch.worker import run
from tbft_export.sources.resnet26 import ResNet26

CLASSES, CHANNELS, IMAGES = 4, 3, 12


class Tiny(nn.Module):
    """A norm, the mean of each channel, and a last layer: little enough to differentiate by hand."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.bn = nn.BatchNorm2d(CHANNELS)
        self.fc = nn.Linear(CHANNELS, CLASSES)
        shake(self, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.bn(x).mean((2, 3)))
        return logits


def pixels(count: int = IMAGES, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def logits_of(seed: int, count: int = IMAGES) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, (count, CLASSES))


def test_a_step_of_tent_follows_the_gradient_of_the_entropy() -> None:
    """dH/dz = − p (log p + H), through the last layer to scale and shift; Adam's first step is as long as its rate."""
    network, settings = Tiny(), Tent(lr=0.01, batch_size=IMAGES)
    scale, shift = (parameter.detach().double().numpy().copy() for parameter in (network.bn.weight, network.bn.bias))
    head, bias = (parameter.detach().double().numpy() for parameter in (network.fc.weight, network.fc.bias))
    x = network_input(pixels()).double().numpy()
    normal = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + network.bn.eps)
    means = normal.mean((2, 3))
    p = softmax((scale * means + shift) @ head.T + bias)
    entropy = -(p * np.log(p)).sum(1, keepdims=True)
    of_features = (-p * (np.log(p) + entropy) / IMAGES) @ head
    tent(network, pixels(), settings, 0)
    for parameter, before, gradient in (
        (network.bn.weight, scale, (of_features * means).sum(0)),
        (network.bn.bias, shift, of_features.sum(0)),
    ):
        wanted = before - settings.lr * gradient / (np.abs(gradient) + 1e-8)
        np.testing.assert_allclose(parameter.detach().numpy(), wanted, rtol=1e-3)
    np.testing.assert_array_equal(network.fc.weight.detach().double().numpy(), head)


def test_tent_takes_images_in_their_order_and_answers_with_their_statistics() -> None:
    """A stream that is sorted by class is another one; and what is answered later is normalised by the whole pool."""
    first, second = Tiny(), Tiny()
    tent(first, pixels(), Tent(batch_size=4), 0)
    tent(second, pixels()[::-1].copy(), Tent(batch_size=4), 0)
    assert not torch.equal(first.bn.weight, second.bn.weight)
    x = network_input(pixels())
    assert first.bn.running_mean is not None
    torch.testing.assert_close(first.bn.running_mean, x.mean((0, 2, 3)))


@given(st.integers(0, 10_000))
def test_shots_labels_are_those_of_the_nearest_centroid(seed: int) -> None:
    """By loops over images and classes: soft centroids first, then those of the labels that they gave."""
    rng = np.random.default_rng(seed)
    features, logits = rng.normal(0, 1, (IMAGES, 5)), logits_of(seed)
    directions = np.array([[*row, 1.0] for row in features])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    weights, labels = softmax(logits), logits.argmax(1)
    for _ in range(2):
        nearest = []
        centroids = {
            label: sum(weights[image, label] * directions[image] for image in range(IMAGES)) for label in set(labels)
        }
        for row in directions:
            similar = {label: row @ each / np.linalg.norm(each) for label, each in centroids.items()}
            nearest.append(max(similar, key=lambda label: similar[label]))
        labels = np.array(nearest)
        weights = np.eye(CLASSES)[labels]
    found = pseudo_labels(torch.from_numpy(features), torch.from_numpy(logits))
    np.testing.assert_array_equal(found.numpy(), labels)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_shots_loss_is_that_of_the_paper(seed: int, weight: float) -> None:
    logits, labels = logits_of(seed), np.random.default_rng(seed).integers(0, CLASSES, IMAGES)
    p = softmax(logits)
    mean = p.mean(0)
    wanted = (
        -(p * np.log(p)).sum(1).mean()
        + (mean * np.log(mean + 1e-5)).sum()
        - weight * np.log(p[np.arange(IMAGES), labels]).mean()
    )
    found = shot_loss(torch.from_numpy(logits), torch.from_numpy(labels), weight)
    assert found.item() == pytest.approx(wanted)


def test_shot_leaves_the_head_as_it_was() -> None:
    network, before = Tiny(), Tiny()
    shot(network, network.fc, pixels(), Shot(epochs=2, batch_size=8), 0)
    assert torch.equal(network.fc.weight, before.fc.weight)
    assert torch.equal(network.fc.bias, before.fc.bias)
    assert not torch.equal(network.bn.weight, before.bn.weight)
    assert not network.training


def test_shot_leaves_a_last_batch_of_one_image_out() -> None:
    """Its statistics would be those of no batch: features of one image alone are their own mean."""
    network = Tiny()
    shot(network, network.fc, pixels(9), Shot(epochs=1, batch_size=8), 0)
    assert network.bn.num_batches_tracked == 1


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_t3as_templates_are_sums_of_the_surest_supports(seed: int, kept: int) -> None:
    rng = np.random.default_rng(seed)
    head = nn.Linear(CHANNELS, CLASSES).double()
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(rng.normal(0, 1, (CLASSES, CHANNELS))))
        head.bias.copy_(torch.from_numpy(rng.normal(0, 1, CLASSES)))
    rows, bias = head.weight.detach().numpy(), head.bias.detach().numpy()
    features = rng.normal(0, 1, (IMAGES, CHANNELS))
    wanted = np.zeros((CLASSES, CHANNELS))
    supports = [*rows, *features]
    by_class: dict[int, list[tuple[float, int]]] = {}
    for number, support in enumerate(supports):
        p = softmax((rows @ support + bias)[None])[0]
        by_class.setdefault(int(p.argmax()), []).append((-sum(each * math.log(each) for each in p), number))
    for label, members in by_class.items():
        total = sum(supports[number] / np.linalg.norm(supports[number]) for _, number in sorted(members)[:kept])
        wanted[label] = total / np.linalg.norm(total)
    with torch.no_grad():
        np.testing.assert_allclose(t3a_templates(head, torch.from_numpy(features), kept).numpy(), wanted.T, atol=1e-9)


def test_t3a_changes_nothing_in_the_network() -> None:
    network, before = Tiny(), Tiny().state_dict()
    answer = t3a(network, network.fc, pixels(), BASELINES["t3a"])  # type: ignore[arg-type]
    answer(network_input(pixels(5, seed=1)))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("baseline", [Tent(), Shot(epochs=1), BASELINES["t3a"]])
def test_no_label_of_the_pool_is_read(tmp_path: Path, baseline: Baseline) -> None:
    """Through the worker, as the engine asks it: the pool's file has none, or has wrong ones, and nothing changes."""
    torch.manual_seed(1)
    save_file(ResNet26(10).state_dict(), tmp_path / "network.safetensors")
    images, labels = photos(40)
    np.savez(tmp_path / "test.npz", images=images[20:], labels=labels[20:])
    np.savez(tmp_path / "bare.npz", images=images[:20])
    np.savez(tmp_path / "labelled.npz", images=images[:20], labels=9 - labels[:20])
    seen = tuple(sorted(set(labels[20:].tolist())))[:2]
    outcomes = []
    for pool in ("bare.npz", "labelled.npz"):
        request = AdaptRequest(
            weights=str(tmp_path / "network.safetensors"),
            image_size=32,
            baseline=baseline,
            pool=str(tmp_path / pool),
            test=str(tmp_path / "test.npz"),
            seen=seen,
            seed=0,
            threads=1,
        )
        outcomes.append(run(msgspec.json.decode(msgspec.json.encode(request), type=Request)))
    bare, labelled = (msgspec.structs.replace(each, seconds=0.0, epoch_seconds=None) for each in outcomes)
    assert bare == labelled
    assert bare.test_images == 20
    assert isinstance(bare.seen_accuracy, float)
