"""What takes elements out of a tensor sends their gradients back to where they came from, as torch.autograd does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.covers import covers
from support.onnx_models import parse
from support.trained_layers import assert_layer_trains
from tbft_artifacts.errors import TbftError
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass

SHAPE = (4, 5, 6)


def _numbers(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


@covers("com.microsoft::SliceGrad")
@settings(max_examples=30)
@given(
    axis=st.integers(1, 3),
    start=st.integers(-8, 8),
    end=st.integers(-8, 8),
    step=st.integers(-3, 3).filter(bool),
    from_the_end=st.booleans(),
)
def test_slices(axis: int, start: int, end: int, step: int, from_the_end: bool) -> None:
    """Any start, end and step, also beyond the ends and backwards; ONNX counts them as Python does."""
    places = list(range(SHAPE[axis - 1]))[start:end:step]
    assume(places)
    bounds = {"s": _numbers(start), "e": _numbers(end), "a": _numbers(axis - 4 * from_the_end), "t": _numbers(step)}
    assert_layer_trains(
        "y = Slice(h, s, e, a, t)", lambda h: h.index_select(axis, torch.tensor(places)), SHAPE, constants=bounds
    )


def test_slices_of_several_axes() -> None:
    bounds = {"s": _numbers(0, -1), "e": _numbers(99, -99), "a": _numbers(2, 3), "t": _numbers(2, -1)}
    assert_layer_trains(
        "y = Slice(h, s, e, a, t)", lambda h: h[:, :, ::2].flip(3), SHAPE, constants=bounds, form="winograd"
    )


def test_a_slice_of_the_whole_batch() -> None:
    """x[:, 1:] in the words of exporters that leave nothing out."""
    bounds = {"s": _numbers(0, 1), "e": _numbers(2**63 - 1, 2**63 - 1), "a": _numbers(0, 2)}
    assert_layer_trains("y = Slice(h, s, e, a)", lambda h: h[:, :, 1:], SHAPE, constants=bounds)


@covers("com.microsoft::GatherGrad")
@settings(max_examples=30)
@given(axis=st.integers(1, 3), indices=st.lists(st.integers(-4, 3), min_size=1, max_size=9))
def test_gathers(axis: int, indices: list[int]) -> None:
    """Indices that leave out, turn round and repeat; some count from the end."""
    assert_layer_trains(
        f"y = Gather<axis={axis}>(h, i)",
        lambda h: h.index_select(axis, torch.tensor(indices) % SHAPE[axis - 1]),
        SHAPE,
        constants={"i": _numbers(*indices)},
    )


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("indices", [0, -1, [[0, 1], [-1, 0]]], ids=["one", "the last", "a table"])
def test_gathers_by_indices_of_any_rank(axis: int, indices: int | list[list[int]]) -> None:
    """One index takes the axis away, as a class token is taken; a table of them puts two in its place."""
    table = np.array(indices, np.int64)

    def gather(h: torch.Tensor) -> torch.Tensor:
        flat = h.index_select(axis, torch.tensor(table.ravel()) % h.shape[axis])
        at = axis % h.dim()
        return flat.reshape(*h.shape[:at], *table.shape, *h.shape[at + 1 :])

    assert_layer_trains(f"y = Gather<axis={axis}>(h, i)", gather, SHAPE, constants={"i": table})


@pytest.mark.parametrize("indices", [0, [-1, 1, 1], [[0, 1], [-1, 0]]], ids=["one", "some", "a table"])
def test_gathers_ahead_of_the_batch(indices: int | list[int]) -> None:
    """Tokens first, as attention of PyTorch has them by default, and then the batch."""
    table = np.array(indices, np.int64)
    at_first = "f = Transpose<perm=[1,0,2,3]>(h) g = Gather<axis=0>(f, i)"
    order = [table.ndim, *range(table.ndim), table.ndim + 1, table.ndim + 2]
    assert_layer_trains(
        f"{at_first} y = Transpose<perm={order}>(g)",
        lambda h: h.transpose(0, 1)[torch.from_numpy(table)].permute(order),
        SHAPE,
        constants={"i": table},
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("dx = com.microsoft.SliceGrad(dy, shape, i, e, a)", "SliceGrad_1' computes where it begins or ends"),
        ("dx = com.microsoft.SliceGrad(dy, shape, s, e, s)", "SliceGrad_1' works along an axis whose length"),
        ("dx = com.microsoft.GatherGrad<axis=1>(shape, i, dy)", "GatherGrad_1' computes its indices"),
        ("dx = com.microsoft.GatherGrad<axis=0>(shape, e, dy)", "GatherGrad_1' works along an axis whose"),
        ("dx = com.microsoft.GatherGrad<axis=1>(i, e, dy)", "GatherGrad_1' reads a tensor whose size is not known"),
    ],
)
def test_what_is_only_known_when_it_runs_is_refused_by_name(text: str, what: str) -> None:
    """The batch's length above all."""
    model = parse(
        f"g (float[n,3] x, float[m,k] dy, int64[1] i) => (float[n,3] dx) {{ shape = Shape(x) {text} }}",
        s=_numbers(0),
        e=_numbers(1),
        a=_numbers(1),
    )
    with pytest.raises(TbftError, match=what) as caught:
        LowerTrainingOperatorsPass()(model)
    assert "train a block behind it" in caught.value.hint
