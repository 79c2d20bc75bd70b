"""Loss, gradients and right answers of exits, for each way to personalise them, are what PyTorch says they are."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnxruntime as ort
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from support.onnx_models import session
from tbft_artifacts.names import NO_LABEL
from tbft_export.exits.gradient import build_gradient, parameters_of
from tbft_export.exits.heads import Head
from tbft_export.exits.personalisation import CONFIDENT, PERSONALISATIONS, Personalisation

CLASSES = 3
WIDTHS = (5, 2, 4)
FEATURES = sum(WIDTHS)
# Nearer than this to the threshold rounding decides what PyTorch and the graph take for sure.
ROUNDING = 1e-5

each_way = pytest.mark.parametrize("way", PERSONALISATIONS)
label_lists = st.lists(st.integers(NO_LABEL, CLASSES - 1), min_size=1, max_size=6)


def heads(seed: int) -> tuple[Head, ...]:
    rng = np.random.default_rng(seed)
    return tuple(
        Head(rng.standard_normal((CLASSES, width), np.float32), rng.standard_normal(CLASSES, np.float32))
        for width in WIDTHS
    )


@cache
def gradient_graph(way: Personalisation) -> ort.InferenceSession:
    return session(build_gradient(heads(0), way))


def train_step(way: Personalisation, seed: int, features: np.ndarray, labels: list[int]) -> dict[str, np.ndarray]:
    loaded = gradient_graph(way)
    weights = dict(zip([each.name for each in parameters_of(heads(seed))], flat(seed), strict=True))
    names = [output.name for output in loaded.get_outputs()]
    feeds = {"features": features, "labels": np.array(labels, np.int64), **weights}
    return dict(zip(names, loaded.run(names, feeds), strict=True))


def flat(seed: int) -> list[np.ndarray]:
    return [tensor for head in heads(seed) for tensor in (head.weight, head.bias)]


def answers(seed: int, features: np.ndarray) -> Tensor:
    """What every exit makes of each image (E, N, classes)."""
    parts = torch.from_numpy(features).split_with_sizes(WIDTHS, dim=1)
    tensors = [torch.from_numpy(tensor) for tensor in flat(seed)]
    each = zip(parts, tensors[::2], tensors[1::2], strict=True)
    return torch.stack([functional.linear(part, weight, bias).softmax(dim=1) for part, weight, bias in each])


def teacher(seed: int, features: np.ndarray) -> Tensor:
    """What the last exit makes of each image (N, classes)."""
    return answers(seed, features)[-1]


def pictures(seed: int, count: int, length: float) -> np.ndarray:
    """Features of images of which the last exit is the surer, the longer they are; never just at the threshold."""
    features = length * np.random.default_rng(seed).standard_normal((count, FEATURES), np.float32)
    close = np.abs(teacher(seed, features).amax(dim=1).numpy() - CONFIDENT) < ROUNDING
    return np.where(close[:, np.newaxis], np.float32(0.5), np.float32(1)) * features


def expected_step(way: Personalisation, seed: int, features: np.ndarray, labels: list[int]) -> list[np.ndarray]:
    """Image by image: loss, then every gradient."""
    weights = [torch.from_numpy(tensor).requires_grad_(True) for tensor in flat(seed)]
    sure, together = teacher(seed, features), answers(seed, features).mean(dim=0)
    losses = []
    for image, label, last, mean in zip(torch.from_numpy(features), labels, sure, together, strict=True):
        for exit_features, weight, bias in zip(
            image.split_with_sizes(WIDTHS), weights[::2], weights[1::2], strict=True
        ):
            logits = weight @ exit_features + bias
            if label != NO_LABEL:
                losses.append(functional.cross_entropy(logits, torch.tensor(label)))
            elif way == "distill":
                losses.append(functional.cross_entropy(logits, mean))
            elif way == "confident" and last.max() >= CONFIDENT:
                losses.append(functional.cross_entropy(logits, last.argmax()))
            else:
                losses.append(0 * logits.sum())
    loss = torch.stack(losses).sum() / len(labels)
    return [loss.detach().numpy(), *(gradient.numpy() for gradient in torch.autograd.grad(loss, weights))]


@each_way
@settings(deadline=None, max_examples=60)
@given(labels=label_lists, seed=st.integers(0, 1000), length=st.sampled_from([0.0, 0.3, 1.0, 3.0]))
def test_gradients_are_those_of_pytorch(way: Personalisation, labels: list[int], seed: int, length: float) -> None:
    """Labelled, unlabelled and mixed batches, with exits that are sure of some images only."""
    features = pictures(seed, len(labels), length)
    found = train_step(way, seed, features, labels)
    names = ["loss", *(each.gradient for each in parameters_of(heads(seed)))]
    for name, expected in zip(names, expected_step(way, seed, features, labels), strict=True):
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-5, err_msg=name)


@each_way
@settings(deadline=None, max_examples=30)
@given(labels=label_lists, seed=st.integers(0, 1000))
def test_right_answers_are_the_last_exits_for_labelled_images(
    way: Personalisation, labels: list[int], seed: int
) -> None:
    features = pictures(seed, len(labels), 1.0)
    last = heads(seed)[-1]
    answers = (features[:, -WIDTHS[-1] :] @ last.weight.T + last.bias).argmax(axis=1)
    assert train_step(way, seed, features, labels)["correct"] == (answers == np.array(labels)).sum()


@each_way
@settings(deadline=None, max_examples=30)
@given(labels=label_lists, seed=st.integers(0, 1000), cut=st.integers(1, 5))
def test_parts_of_a_batch_add_up(way: Personalisation, labels: list[int], seed: int, cut: int) -> None:
    """Weighted by their images, so that a device may take a batch in parts, also one of unlabelled images alone."""
    cut = min(cut, len(labels) - 1)
    if not cut:
        return
    features = pictures(seed, len(labels), 2.0)
    whole = train_step(way, seed, features, labels)
    first = train_step(way, seed, features[:cut], labels[:cut])
    second = train_step(way, seed, features[cut:], labels[cut:])
    for name, value in whole.items():
        if name == "correct":
            assert value == first[name] + second[name]
            continue
        share = cut / len(labels)
        together = share * first[name] + (1 - share) * second[name]
        np.testing.assert_allclose(value, together, rtol=1e-4, atol=1e-5, err_msg=name)


def test_without_labels_nothing_is_learned_from_labels() -> None:
    found = train_step("labels", 0, pictures(0, 4, 1.0), [NO_LABEL] * 4)
    assert all(not value.any() for value in found.values())


def test_the_threshold_divides_what_is_learned_from() -> None:
    """Of many unlabelled images those nearest to it on either side: taken as labelled, or not."""
    features = pictures(0, 20_000, 2.0)
    distance = teacher(0, features).amax(dim=1).numpy() - np.float32(CONFIDENT)
    order = np.argsort(np.abs(distance))
    sure, unsure = order[distance[order] > 0][:20], order[distance[order] < 0][:20]
    assert np.abs(distance[[*sure, *unsure]]).max() < 0.01
    for chosen, learns in ((sure, True), (unsure, False)):
        losses = [train_step("confident", 0, features[[image]], [NO_LABEL])["loss"] for image in chosen]
        assert [bool(loss > 0) for loss in losses] == [learns] * 20
