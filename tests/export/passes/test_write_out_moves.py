"""Layers that ONNX Runtime Training has no gradient for are written out, and train as in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from support.covers import covers
from support.onnx_models import parse
from support.passes import apply
from support.trained_layers import assert_layer_trains
from tbft_artifacts.errors import TbftError
from tbft_export.passes.write_out_moves import WriteOutMovesPass

ASYMMETRIC = 'mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"'
HALF_PIXEL = 'mode="linear", coordinate_transformation_mode="half_pixel"'
CORNERS = 'mode="linear", coordinate_transformation_mode="align_corners"'
CUBIC = 'mode="cubic", coordinate_transformation_mode="half_pixel", cubic_coeff_a=-0.75'


@covers("WriteOutMovesPass")
@pytest.mark.parametrize("block", [2, 3])
@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(block: int, mode: str) -> None:
    def layer(h: Tensor) -> Tensor:
        if mode == "CRD":
            return functional.pixel_shuffle(h, block)
        _, channels, height, width = h.shape
        parts = h.reshape(-1, block, block, channels // block**2, height, width).permute(0, 3, 4, 1, 5, 2)
        return parts.reshape(-1, channels // block**2, height * block, width * block)

    text = f'y = DepthToSpace<blocksize={block}, mode="{mode}">(h)'
    assert_layer_trains(text, layer, (2 * block**2, 2, 3))


@pytest.mark.parametrize("block", [2, 3])
def test_space_to_depth(block: int) -> None:
    def layer(h: Tensor) -> Tensor:
        # PyTorch has the channels first among what a place holds, ONNX has them last.
        return functional.pixel_unshuffle(h, block).unflatten(1, (2, block**2)).transpose(1, 2).flatten(1, 2)

    assert_layer_trains(f"y = SpaceToDepth<blocksize={block}>(h)", layer, (2, 6, 6))


@given(amounts=st.tuples(*[st.integers(-1, 3)] * 4), mode=st.sampled_from(["reflect", "edge", "constant"]))
@settings(max_examples=25)
def test_pads(amounts: tuple[int, int, int, int], mode: str) -> None:
    """In every mode of ONNX 17; negative amounts cut off. ONNX names all begins first."""
    left, right, top, bottom = amounts

    def layer(h: Tensor) -> Tensor:
        padded = (max(each, 0) for each in amounts)
        how = {"edge": "replicate"}.get(mode, mode)
        return functional.pad(functional.pad(h, tuple(padded), mode=how), tuple(min(each, 0) for each in amounts))

    pads = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
    assert_layer_trains(f'y = Pad<mode="{mode}">(h, p)', layer, (2, 4, 5), constants={"p": pads})


@pytest.mark.parametrize(
    ("attributes", "how"),
    [
        (ASYMMETRIC, {"mode": "nearest"}),
        (HALF_PIXEL, {"mode": "bilinear"}),
        (CORNERS, {"mode": "bilinear", "align_corners": True}),
        (CUBIC, {"mode": "bicubic"}),
    ],
    ids=["nearest", "linear", "corners", "cubic"],
)
@pytest.mark.parametrize("sizes", [(8, 10), (7, 9), (2, 5)], ids=["twice", "uneven", "smaller"])
def test_resizes(attributes: str, how: dict[str, object], sizes: tuple[int, int]) -> None:
    """To a constant size, up and down."""
    size = np.array([0, 0, *sizes], np.int64)

    def layer(h: Tensor) -> Tensor:
        return functional.interpolate(h, size=sizes, **how)  # type: ignore[arg-type]

    text = f"b = Shape<start=0, end=1>(h) s = Concat<axis=0>(b, c) y = Resize<{attributes}>(h, , , s)"
    channels = np.array([2, *size[2:]], np.int64)
    assert_layer_trains(text, layer, (2, 4, 5), constants={"c": channels})


@pytest.mark.parametrize("scale", [2.0, 1.5, 0.5])
def test_resizes_by_a_scale(scale: float) -> None:
    assert_layer_trains(
        f"y = Resize<{HALF_PIXEL}>(h, , s)",
        lambda h: functional.interpolate(h, scale_factor=scale, mode="bilinear"),
        (2, 4, 6),
        constants={"s": np.array([1, 1, scale, scale], np.float32)},
    )


def test_global_max_pool() -> None:
    assert_layer_trains("y = GlobalMaxPool(h)", lambda h: functional.adaptive_max_pool2d(h, 1), (3, 5, 4))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_local_response_norm(size: int) -> None:
    """Even sizes see one channel more behind than before."""

    def layer(h: Tensor) -> Tensor:
        before, behind = (size - 1) // 2, size // 2
        squares = functional.pad(h * h, (0, 0, 0, 0, before, behind)).unfold(1, size, 1).sum(-1)
        return h / (1.5 + 0.2 / size * squares) ** 0.75

    assert_layer_trains(f"y = LRN<size={size}, alpha=0.2, beta=0.75, bias=1.5>(h)", layer, (6, 3, 4))


@pytest.mark.parametrize("lengths", [[1, 3, 2], [2, 2, 2]])
def test_a_split_of_which_a_part_is_unused(lengths: list[int]) -> None:
    """ONNX Runtime Training takes the parts that nobody reads for the others."""
    assert_layer_trains(
        "a, b, c = Split<axis=1>(h, l) y = Concat<axis=1>(c, a)",
        lambda h: torch.cat([torch.split(h, lengths, 1)[2], h[:, : lengths[0]]], 1),
        (6, 2, 3),
        constants={"l": np.array(lengths, np.int64)},
    )


def test_a_split_of_which_all_parts_are_used() -> None:
    """Also unequal ones."""
    assert_layer_trains(
        "a, b = Split<axis=1>(h, l) c = Mul(b, b) y = Concat<axis=1>(c, a)",
        lambda h: torch.cat([h[:, 1:] ** 2, h[:, :1]], 1),
        (4, 2, 3),
        constants={"l": np.array([1, 3], np.int64)},
    )


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        ('Resize<coordinate_transformation_mode="tf_crop_and_resize">(x, r, s)', "Resize_0' crops while it resizes"),
        ("Resize(x, , t)", "Resize_0' works along an axis whose length is not known"),
        ('Pad<mode="reflect">(x, p)', "Pad_0' computes how much it pads"),
        ("GlobalMaxPool(u)", "GlobalMaxPool_0' works along an axis whose length is not known"),
        ("DepthToSpace<blocksize=2>(v)", "DepthToSpace_0' reads no image of known size"),
    ],
)
def test_what_is_only_known_when_it_runs_is_refused_by_name(layer: str, what: str) -> None:
    model = parse(
        "g (float[n,4,4,4] x, float[n,4,h,w] u, float[a,b,c,d] v, float[4] t, int64[8] p) => (float[n,4,i,j] y) "
        f"{{ y = {layer} }}",
        r=np.array([0, 0, 0, 0, 1, 1, 1, 1], np.float32),
        s=np.array([1, 1, 2, 2], np.float32),
    )
    with pytest.raises(TbftError, match=what) as caught:
        WriteOutMovesPass({"x", "u", "v"})(model)
    assert "train a block behind it" in caught.value.hint


def test_before_what_is_trained_anything_may_stand() -> None:
    """No gradient passes through it."""
    model = parse("g (float[n,4,h,w] x, float[4] v) => (float[n,4,i,j] y) { p = GlobalMaxPool(x) y = Mul(p, v) }")
    assert not apply(WriteOutMovesPass({"v"}), model)
