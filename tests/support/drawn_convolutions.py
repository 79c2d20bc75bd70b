"""What hypothesis draws to test convolutions: pairs of sizes, and convolutions of any kind. Host only."""

from __future__ import annotations

from hypothesis import strategies as st

from support.convolutions import Convolution

Pair = tuple[int, int]


def pair(low: int, high: int) -> st.SearchStrategy[Pair]:
    """Two numbers, one for the rows and one for the columns, each between `low` and `high`."""
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def any_convolution(
    draw: st.DrawFn,
    groups: st.SearchStrategy[int],
    *,
    per_group: st.SearchStrategy[int],
    kernel: st.SearchStrategy[Pair],
    image: st.SearchStrategy[Pair],
) -> Convolution:
    """With any stride, dilation, and padding on any side; the output may be empty."""
    count = draw(groups)
    return Convolution(
        batch=draw(st.integers(1, 3)),
        groups=count,
        channels=count * draw(per_group),
        filters=count * draw(st.integers(1, 3)),
        kernel=draw(kernel),
        image=draw(image),
        strides=draw(pair(1, 3)),
        pads=draw(st.tuples(*[st.integers(0, 3)] * 4)),
        dilations=draw(pair(1, 2)),
    )
