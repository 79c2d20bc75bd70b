"""A device that chooses channels gets PyTorch's gradients of their rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from support.covers import covers
from support.every_convolution import every_convolution
from support.sparse_graphs import TOLERANCE, batch, feeds, layers_of, load, outputs
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.plan import Plan

few = settings(max_examples=10)


def some_channels(plan: Plan, draw: st.DataObject) -> dict[str, list[int]]:
    """None, some or all of each layer."""
    counts = {layer.weight: layer.shape[0] for layer in layers_of(plan)}
    subsets = {name: st.sets(st.integers(0, count - 1)) for name, count in counts.items()}
    chosen = {
        name: draw.draw(st.one_of(st.just(set()), subset, st.just(set(range(counts[name])))))
        for name, subset in subsets.items()
    }
    return {name: sorted(rows) for name, rows in chosen.items()}


@pytest.mark.long
@covers("TrainRowsPass")
@pytest.mark.parametrize("depth", range(4))
@given(data=st.data(), seed=st.integers(0, 99))
@few
def test_rows_and_head_have_the_gradients_of_pytorch(
    bundle: Bundle, depth: int, data: st.DataObject, seed: int
) -> None:
    """In every form, at every depth, while the rows are no longer those of the base model."""
    plan, net = bundle.manifest.plans[depth], every_convolution()
    channels = some_channels(plan, data)
    move_rows(net, channels, seed)
    images, labels = batch(seed)
    loss = functional.cross_entropy(net(torch.from_numpy(images)), torch.from_numpy(labels))
    names = [*(parameter.name for parameter in plan.parameters), *channels]
    gradients = torch.autograd.grad(loss, [dict(net.named_parameters())[name] for name in names])
    for form in plan.gradient_forms:
        found = outputs(load(bundle, plan.gradient_in(form)), feeds(bundle, plan, net, channels, seed))
        np.testing.assert_allclose(found["loss"], loss.item(), rtol=1e-5)
        for name, gradient in zip(names, gradients, strict=True):
            whole = gradient.numpy()
            part = found[f"{name}.rows_grad"] if name in channels else found[f"{name}_grad"]
            expected = whole[np.array(channels[name], np.int64)] if name in channels else whole
            assert part.shape == expected.shape
            atol = TOLERANCE * np.abs(whole).max()
            np.testing.assert_allclose(part, expected, rtol=0, atol=atol, err_msg=f"{name} {form}")


def move_rows(net: nn.Module, channels: Mapping[str, list[int]], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    tensors = dict(net.named_parameters())
    with torch.no_grad():
        for name, rows in channels.items():
            tensors[name][rows] += 0.1 * torch.randn(tensors[name][rows].shape, generator=generator)
