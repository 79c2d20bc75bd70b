"""Adaptive pools of any size are traced, and give what PyTorch gives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from support.trained_layers import assert_module_trains
from tbft_export.sources.traceable import traceable

Size = tuple[int, int]


@given(
    image=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    size=st.tuples(st.integers(1, 9), st.none() | st.integers(1, 9)),
)
@settings(max_examples=60)
def test_two_axes(image: Size, size: tuple[int, int | None]) -> None:
    """Also larger than the image, and None for what stays."""
    x = torch.randn(2, 3, *image, dtype=torch.float64)
    expected = functional.adaptive_avg_pool2d(x, size)
    with traceable():
        found = functional.adaptive_avg_pool2d(x, size)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_one_axis(size: int) -> None:
    x = torch.randn(2, 3, 5)
    expected = functional.adaptive_avg_pool1d(x, size)
    with traceable():
        found = functional.adaptive_avg_pool1d(x, size)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("size", [3, 5])
def test_such_a_network_trains(size: int) -> None:
    """As VGG does at a size that it was not made for."""
    assert_module_trains(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(size), nn.Flatten(), nn.Linear(4 * size**2, 3)
        ),
        (3, 4, 4),
    )
