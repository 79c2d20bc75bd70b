"""Winograd's form of a 3x3 convolution and of its gradients gives PyTorch's numbers, whatever the sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.convolutions import Convolution
from support.covers import covers
from support.lowering import Arrays, assert_close, lowered, normal
from support.onnx_models import operators, parse, run
from tbft_export.passes.lower_training_operators import LowerTrainingOperatorsPass

few = settings(max_examples=60)
WANTED = st.sampled_from(["dx, dw, db", "dx, dw", '"", dw', "dx", '"", dw, db'])

# Of the direct form's error, root mean square; measured: 0.9 to 1.8 times.
WORSE = 3.0


# Suits this form; the tests change one thing or another.
USUAL = Convolution(2, 1, 8, 8, kernel=(3, 3), image=(7, 6), strides=(1, 1), pads=(1, 1, 1, 1), dilations=(1, 1))


@st.composite
def suitable(draw: st.DrawFn) -> Convolution:
    """Odd and even images, padding of a different width on every side."""
    drawn = replace(
        USUAL,
        batch=draw(st.integers(1, 3)),
        channels=draw(st.integers(8, 20)),
        filters=draw(st.integers(8, 20)),
        image=(draw(st.integers(3, 11)), draw(st.integers(3, 11))),
        pads=draw(st.tuples(*[st.integers(0, 2)] * 4)),
    )
    assume(min(drawn.output) >= 1)
    return drawn


def with_bias(convolution: Convolution, feeds: Arrays) -> Arrays:
    return feeds | {"b": normal(np.random.default_rng(1), convolution.filters)}


def only(feeds: Arrays, names: str) -> Arrays:
    return {name: value for name, value in feeds.items() if name in names.split()}


@covers("ai.onnx::Conv")
@given(convolution=suitable(), bias=st.booleans(), seed=st.integers(0, 99))
@few
def test_forward(convolution: Convolution, bias: bool, seed: int) -> None:
    feeds = convolution.feeds(seed)
    if bias:
        feeds = with_bias(convolution, feeds)
    found, used = lowered(convolution.forward(bias), only(feeds, "x w b"), "winograd")
    assert "Conv" not in used
    assert_close(found, {"y": convolution.torch(feeds)["y"]})


@given(convolution=suitable(), outputs=WANTED, seed=st.integers(0, 99))
@few
def test_gradients(convolution: Convolution, outputs: str, seed: int) -> None:
    feeds = convolution.feeds(seed)
    found, used = lowered(convolution.gradient(outputs), feeds, "winograd")
    assert "Conv" not in used
    expected = convolution.torch(feeds)
    assert_close(found, {name: expected[name] for name in found})


# Each would be wrong in this form, or slower.
UNSUITABLE = {
    "1x1": replace(USUAL, kernel=(1, 1)),
    "5x5": replace(USUAL, kernel=(5, 5)),
    "3x1": replace(USUAL, kernel=(3, 1)),
    "strided": replace(USUAL, strides=(2, 2)),
    "strided one way": replace(USUAL, strides=(1, 2)),
    "dilated": replace(USUAL, dilations=(2, 2)),
    "grouped": replace(USUAL, groups=2, channels=16, filters=16),
    "few channels": replace(USUAL, channels=7),
    "few filters": replace(USUAL, filters=7),
    "padded beyond the kernel": replace(USUAL, pads=(3, 1, 1, 1)),
}


@pytest.mark.parametrize("kind", list(UNSUITABLE))
def test_what_does_not_suit_stays_direct(kind: str) -> None:
    """Asked for Winograd's form, such a convolution and its gradients are what they are in the direct one."""
    convolution = UNSUITABLE[kind]
    feeds = convolution.feeds(0)
    _, used = lowered(convolution.forward(), only(feeds, "x w"), "winograd")
    assert used == ["Conv"]
    found, used = lowered(convolution.gradient("dx, dw"), feeds, "winograd")
    expected, direct = lowered(convolution.gradient("dx, dw"), feeds, "direct")
    assert used == direct
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize(
    "text",
    [
        "g (float[n,8,7] x, float[8,8,3] w) => (float[n,8,5] y) { y = Conv (x, w) }",
        "g (float[n,8,h,w] x, float[8,8,3,3] v) => (float[n,8,i,j] y) { y = Conv (x, v) }",
        """g (float[n,8,7,7] x, float[8,8,3,3] w) => (float[n,8,7,7] y)
        { y = Conv <auto_pad="SAME_UPPER"> (x, w) }""",
    ],
    ids=["one dimension", "unknown image", "auto_pad"],
)
def test_a_frozen_convolution_of_unknown_sizes_stays(text: str) -> None:
    """It is not differentiated, so it is no error either."""
    model = LowerTrainingOperatorsPass("winograd")(parse(text)).model
    assert operators(model) == ["Conv"]


def test_images_without_a_border_get_no_row_of_zeros() -> None:
    """It would copy the whole image."""
    assert "Pad" not in forward_operators(replace(USUAL, image=(8, 6), pads=(0, 0, 0, 0)))
    assert "Pad" in forward_operators(replace(USUAL, image=(7, 6), pads=(0, 0, 0, 0)))


def forward_operators(convolution: Convolution) -> list[str]:
    return lowered(convolution.forward(), only(convolution.feeds(0), "x w"), "winograd")[1]


@pytest.mark.parametrize(("channels", "image"), [(16, (32, 32)), (64, (9, 7)), (256, (8, 8))], ids=str)
def test_rounding_is_close_to_that_of_the_direct_form(channels: int, image: tuple[int, int]) -> None:
    """Layers of the sizes of a ResNet's, against PyTorch in float64."""
    convolution = replace(USUAL, channels=channels, filters=channels, image=image)
    feeds = convolution.feeds(0)
    exact = convolution.torch({name: value.astype(np.float64) for name, value in feeds.items()})
    for text, names in ((convolution.forward(), "x w"), (convolution.gradient("dx, dw"), "x w dy")):
        found, _ = lowered(text, only(feeds, names), "winograd")
        direct = run(parse(text), only(feeds, names))
        for name, value in found.items():
            errors = [np.sqrt(np.mean((part - exact[name].detach().numpy()) ** 2)) for part in (value, direct[name])]
            assert errors[0] <= WORSE * errors[1], name
