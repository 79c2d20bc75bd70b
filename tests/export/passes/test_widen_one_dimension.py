"""Layers of signals are written as layers of images, and train as in PyTorch; so do whole networks of them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx_ir.passes import common
from torch import Tensor, nn
from torch.nn import functional

from support.covers import covers
from support.onnx_models import operators, parse, run
from support.passes import apply, assert_same, noise
from support.trained_layers import assert_layer_trains, assert_module_trains
from tbft_artifacts.plan import ConvolutionForm
from tbft_export.passes.widen_one_dimension import WidenOneDimensionPass


@covers("WidenOneDimensionPass")
def test_neighbours_keep_the_height_between_them() -> None:
    model = parse(
        "g (float[n,2,9] x) => (float[n,2,4] y) "
        "{ h = Conv<pads=[2,0]>(x, w) p = MaxPool<kernel_shape=[2], strides=[2]>(h) y = Conv(p, v) }",
        w=noise(2, 2, 3),
        v=noise(2, 2, 1),
    )
    common.ShapeInferencePass()(model)
    x = noise(3, 2, 9)
    before = run(model, {"x": x})["y"]
    assert apply(WidenOneDimensionPass({"w"}), model)
    assert_same(run(model, {"x": x})["y"], before)
    between = [name for name in operators(model) if name in ("Conv", "MaxPool", "Unsqueeze")]
    # That of the signal and those of two weights, and none between the layers.
    assert between.count("Unsqueeze") == 3


@given(
    groups=st.sampled_from([1, 2, 4]),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.integers(0, 2),
    form=st.sampled_from(["direct", "winograd"]),
)
@settings(max_examples=25)
def test_convolutions(
    groups: int, kernel: int, stride: int, dilation: int, padding: int, form: ConvolutionForm
) -> None:
    assume(9 + 2 * padding >= dilation * (kernel - 1) + 1)

    def layer(h: Tensor, w: Tensor, b: Tensor) -> Tensor:
        return functional.conv1d(h, w, b, stride, padding, dilation, groups)

    attributes = f"group={groups}, strides=[{stride}], dilations=[{dilation}], pads=[{padding},{padding}]"
    weights = {"w": noise(8, 4 // groups, kernel), "b": noise(8)}
    assert_layer_trains(f"y = Conv<{attributes}>(h, w, b)", layer, (4, 9), weights=weights, form=form)


def test_transposed_convolutions() -> None:
    def layer(h: Tensor, w: Tensor) -> Tensor:
        return functional.conv_transpose1d(h, w, None, 2, 1, output_padding=1)

    text = "y = ConvTranspose<strides=[2], pads=[1,1], output_padding=[1]>(h, w)"
    assert_layer_trains(text, layer, (3, 5), weights={"w": noise(3, 2, 4)})


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("MaxPool<kernel_shape=[3], strides=[2], pads=[1,1]>(h)", lambda h: functional.max_pool1d(h, 3, 2, 1)),
        ("MaxPool<kernel_shape=[2], dilations=[3]>(h)", lambda h: functional.max_pool1d(h, 2, 1, dilation=3)),
        ("GlobalMaxPool(h)", lambda h: functional.adaptive_max_pool1d(h, 1)),
        ("AveragePool<kernel_shape=[3], strides=[3]>(h)", lambda h: functional.avg_pool1d(h, 3)),
        (
            "AveragePool<kernel_shape=[3], strides=[2], pads=[1,1]>(h)",
            lambda h: functional.avg_pool1d(h, 3, 2, 1, count_include_pad=False),
        ),
        ("LRN<size=3, alpha=0.3, beta=0.75, bias=1.0>(h)", lambda h: functional.local_response_norm(h, 3, 0.3)),
    ],
)
def test_pools(text: str, layer: nn.Module) -> None:
    assert_layer_trains(f"y = {text}", layer, (3, 9))


def one_dimensional() -> nn.Module:
    """A network of sensor windows (N, 3, 64)."""
    return nn.Sequential(
        nn.Conv1d(3, 8, 5, padding=2, bias=False),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(8, 12, 3, stride=2, groups=4, bias=False),
        nn.BatchNorm1d(12),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(12, 10, bias=False),
        nn.BatchNorm1d(10),
        nn.ReLU(),
        nn.Linear(10, 4),
    )


@pytest.mark.parametrize("form", ["direct", "winograd"])
@pytest.mark.parametrize("statistics", ["running", "the batch's"])
def test_a_network_of_windows(form: ConvolutionForm, statistics: str) -> None:
    """Norms of signals and of vectors, with either statistics."""
    net = one_dimensional()
    operators = assert_module_trains(
        net, (3, 64), form=form, images=6, batch_statistics=statistics == "the batch's", seed=3
    )
    assert "BatchNormalization" not in operators


class ChannelAttention(nn.Module):
    """As ECA-Nets weigh their channels: a convolution along them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        weights = self.conv(x.mean((2, 3)).view(x.shape[0], 1, -1)).sigmoid().view(x.shape[0], -1, 1, 1)
        logits: Tensor = self.fc((x * weights.expand_as(x)).mean((2, 3)))
        return logits


def test_channel_attention() -> None:
    assert_module_trains(ChannelAttention(), (3, 8, 8))
