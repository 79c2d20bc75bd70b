"""The gradient of chosen rows of a convolution's weight: those of torch.autograd, and no work for the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.convolutions import Convolution
from support.covers import covers
from support.drawn_convolutions import any_convolution, pair
from support.lowering import assert_close, lowered
from tbft_artifacts.plan import ConvolutionForm
from tbft_export.lowerings import conv_rows

few = settings(max_examples=60)


def convolutions(groups: st.SearchStrategy[int], per_group: st.SearchStrategy[int]) -> st.SearchStrategy[Convolution]:
    return any_convolution(groups, per_group=per_group, kernel=pair(1, 5), image=pair(1, 9))


def check(convolution: Convolution, channels: list[int], seed: int, form: ConvolutionForm = "direct") -> None:
    feeds = convolution.feeds(seed)
    chosen = np.array(channels, np.int64)
    found, _ = lowered(convolution.row_gradient(), feeds | {"channels": chosen}, form)
    expected = convolution.torch(feeds)["dw"].numpy()[chosen]
    assert found["rows"].shape == expected.shape
    assert_close(found, {"rows": expected})


# Which way the gradient of each kind is written: groups, channels of a group, from where images are merged.
KINDS = {
    "a MatMul per image": (st.just(1), st.integers(1, 3), 0),
    "one Gemm": (st.just(1), st.integers(1, 3), 10**9),
    "depthwise": (st.integers(2, 4), st.just(1), 0),
    "groups": (st.integers(2, 3), st.integers(2, 3), 0),
}


@pytest.mark.long
@covers("tbft::ConvRowsGrad")
@pytest.mark.parametrize("kind", list(KINDS))
@given(data=st.data(), seed=st.integers(0, 99))
@few
def test_rows_have_the_gradient_of_the_whole_weight(kind: str, data: st.DataObject, seed: int) -> None:
    """Whatever channels are chosen: none, some, or all; strides, dilations, and padding on any side."""
    groups, per_group, fewest = KINDS[kind]
    convolution = data.draw(convolutions(groups, per_group))
    assume(min(convolution.output) >= 1)
    channels = data.draw(st.sets(st.integers(0, convolution.filters - 1)).map(sorted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv_rows, "FEWEST_PIXELS", fewest)
        check(convolution, channels, seed)


@given(
    batch=st.integers(1, 3),
    image=pair(1, 7),
    pad=st.integers(0, 2),
    chosen=st.sets(st.integers(0, 8)),
    seed=st.integers(0, 99),
)
@few
def test_rows_in_tiles(batch: int, image: tuple[int, int], pad: int, chosen: set[int], seed: int) -> None:
    """Winograd's form, which shares the transformed input with the forward pass."""
    convolution = Convolution(batch, 1, 8, 9, (3, 3), image, (1, 1), (pad,) * 4, (1, 1))
    assume(min(convolution.output) >= 1)
    check(convolution, sorted(chosen), seed, "winograd")
