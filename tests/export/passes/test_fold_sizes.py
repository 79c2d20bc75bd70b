"""Sizes that a network computes from shapes are found, all but the batch's; what it computes stays the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from onnx_ir.passes import common
from torch import Tensor, nn

from support.covers import covers
from support.onnx_models import operators, parse, run
from support.passes import apply, assert_same, noise
from support.trained_layers import assert_module_trains, traced
from tbft_export.passes.find_shapes import FindShapesPass
from tbft_export.passes.fold_sizes import FoldSizesPass

CLASSES = 4


class Between(nn.Module):
    """A layer between two trained ones."""

    def __init__(self, layer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.layer = layer
        self.conv2 = nn.Conv2d(8, 6, 3, padding=1)
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.conv2(self.layer(self.conv1(x))).mean((2, 3)))
        return logits


def shuffle(x: Tensor) -> Tensor:
    """As ShuffleNet does it."""
    batch, channels, height, width = x.size()
    x = x.view(batch, 2, channels // 2, height, width)
    return torch.transpose(x, 1, 2).contiguous().view(batch, -1, height, width)


def halves(x: Tensor) -> Tensor:
    """As GhostNet takes as many channels as it wants."""
    wanted = x.shape[1] // 2
    return torch.cat([x[:, wanted:], x[:, :wanted]], 1)


def expanded(x: Tensor) -> Tensor:
    """As attention weighs channels."""
    return x * x.mean((2, 3)).view(x.shape[0], x.shape[1], 1, 1).expand_as(x)


def windows(x: Tensor) -> Tensor:
    """Images cut into pieces, each of them an image of a batch that is four times as large."""
    batch, channels, height, width = x.shape
    pieces = x.view(batch, channels, 2, height // 2, 2, width // 2).permute(0, 2, 4, 1, 3, 5)
    pieces = pieces.reshape(batch * 4, channels, height // 2, width // 2).relu()
    pieces = pieces.view(batch, 2, 2, channels, height // 2, width // 2).permute(0, 3, 1, 4, 2, 5)
    return pieces.reshape(batch, channels, height, width)


def flat(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2).transpose(1, 2).reshape(x.shape)


@covers("FoldSizesPass")
@pytest.mark.parametrize("layer", [shuffle, halves, expanded, windows, flat])
def test_no_size_is_computed_when_the_graph_runs(layer: Callable[[Tensor], Tensor]) -> None:
    graph = traced(Between(layer), (3, 6, 6)).graph
    assert "Shape" not in {node.op_type for node in graph}
    for node in graph:
        shape = node.outputs[0].shape
        assert shape is not None
        assert all(isinstance(dim, int) for dim in shape[1:])


@pytest.mark.parametrize("layer", [shuffle, halves, expanded, windows, flat])
def test_such_a_network_trains(layer: Callable[[Tensor], Tensor]) -> None:
    assert_module_trains(Between(layer), (3, 6, 6))


@pytest.mark.parametrize(
    "body",
    [
        "s = Shape(x) b = Gather(s, zero) u = Unsqueeze(b, axis) t = Concat<axis=0>(u, rest) y = Reshape(x, t)",
        "s = Shape(x) b = Slice(s, axis, one, axis) t = Concat<axis=0>(rest, b) y = Reshape(x, t)",
        "b = Shape<start=0, end=1>(x) d = Add(b, b) t = Concat<axis=0>(d, half) y = Reshape(x, t)",
        "b = Shape<start=0, end=1>(x) t = Concat<axis=0>(b, rest) p = Transpose<perm=[1,0,2]>(x) y = Reshape(p, t)",
        "s = Shape(x) m = ReduceMean<axes=[2]>(x) y = Expand(m, s)",
        "b = Shape<start=0, end=1>(x) t = Concat<axis=0>(b, half) y = Resize(x, , , t)",
        "s = Shape(x) r = Identity(s) c = Cast<to=7>(r) g = Gather(c, two) q = Squeeze(g) y = Mul(x, k)",
    ],
)
def test_what_is_computed_stays_the_same(body: str) -> None:
    """The batch first, last, twice as large, behind a Transpose, and to be expanded to."""
    model = parse(
        f"g (float[n,4,6] x) => (float[a,b,c] y) {{ {body} }}",
        zero=np.array(0, np.int64),
        axis=np.array([0], np.int64),
        one=np.array([1], np.int64),
        two=np.array([1], np.int64),
        rest=np.array([3, 8], np.int64),
        half=np.array([4, 3], np.int64),
        k=np.array(2, np.float32),
    )
    common.ShapeInferencePass()(model)
    x = noise(5, 4, 6)
    before = run(model, {"x": x})["y"]
    apply(FoldSizesPass(frozenset()), model)
    assert_same(run(model, {"x": x})["y"], before)
    assert not {"Shape", "Concat"} & set(operators(model))


@pytest.mark.parametrize(("length", "size"), [(6, 3), (11, 7), (5, 10), (10, 6), (224, 97)])
def test_a_size_that_no_scale_says_stays_a_size(length: int, size: int) -> None:
    """7 / 11 of 11 is 7 in float32, and 6 to ONNX, which would then know no shape behind it."""
    model = parse(
        f"g (float[n,2,{length}] x) => (float[n,a,b] y) "
        "{ b = Shape<start=0, end=1>(x) t = Concat<axis=0>(b, wanted) z = Resize(x, , , t) y = Identity(z) }",
        wanted=np.array([2, size], np.int64),
    )
    common.ShapeInferencePass()(model)
    x = noise(3, 2, length)
    before = run(model, {"x": x})["y"]
    folded = apply(FoldSizesPass(frozenset()), model)
    assert folded == (size not in (7, 97))
    FindShapesPass(frozenset())(model)
    resized = next(node for node in model.graph if node.op_type == "Resize").outputs[0]
    assert resized.shape is not None
    assert list(resized.shape[1:]) == [2, size]
    assert_same(run(model, {"x": x})["y"], before)


def test_two_unknown_sizes_stay() -> None:
    """Only one can be left open."""
    model = parse(
        "g (float[n,m,6] x) => (float[a,b,c] y) { s = Shape(x) t = Concat<axis=0>(s, o) y = Reshape(x, t) }",
        o=np.array([1], np.int64),
    )
    x = noise(5, 4, 6)
    apply(FoldSizesPass(frozenset()), model)
    assert run(model, {"x": x})["y"].shape == (5, 4, 6, 1)


def test_an_operand_that_is_left_out_moves_no_other() -> None:
    """Slice without axes, but with steps: every second size, not all of them."""
    sizes = "s = Shape (x) every = Slice (s, zero, three, , two) y = Expand (one, every)"
    model = parse(
        f"g (float[2,3,4] x) => (float[a,b] y) {{ {sizes} }}",
        **{name: np.array([number]) for name, number in {"zero": 0, "three": 3, "two": 2}.items()},
        one=np.ones((1, 1), np.float32),
    )
    before = run(model, {"x": noise(2, 3, 4)})["y"]
    apply(FoldSizesPass(frozenset()), model)
    assert run(model, {"x": noise(2, 3, 4)})["y"].shape == before.shape == (2, 4)
