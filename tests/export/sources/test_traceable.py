"""What PyTorch's exporter cannot write, or writes clumsily, is computed otherwise while it traces, and the same."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tbft_artifacts.input_shape import InputShape
from tbft_export.graph.sessions import Session
from tbft_export.sources.trace import torch_to_onnx
from tbft_export.sources.traceable import pool_matrix, traceable

SIZE = 12


class Tokens(nn.Module):
    """Patches of an image through `inner`, and the mean of what comes out."""

    def __init__(self, inner: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.inner = inner
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        logits: Tensor = self.head(self.inner(tokens).mean(1))
        return logits


class Attention(nn.Module):
    """Heads as many networks write them."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.options = options

    def forward(self, x: Tensor) -> Tensor:
        heads = x.reshape(-1, 9, 2, 4).transpose(1, 2)
        attended = functional.scaled_dot_product_attention(heads, heads, heads, **self.options)
        return attended.transpose(1, 2).reshape(-1, 9, 8)


class SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        attended: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return attended


def pooled(*sizes: int | None) -> nn.Module:
    rows, columns = (size or SIZE for size in sizes)
    return nn.Sequential(nn.AdaptiveAvgPool2d(sizes), nn.Flatten(), nn.Linear(3 * rows * columns, 5))  # type: ignore[arg-type]


def encoder() -> nn.Module:
    return Tokens(nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1))


MODULES: dict[str, Callable[[], nn.Module]] = {
    "overlapping windows": lambda: pooled(5, 7),
    "larger than the image": lambda: pooled(18, 24),
    "one side as it is": lambda: pooled(None, 5),
    "tiling windows": lambda: pooled(4, 1),
    "encoder": encoder,
    "multi-head attention": lambda: Tokens(SelfAttention()),
    "attention": lambda: Tokens(Attention()),
    "scaled attention": lambda: Tokens(Attention(scale=0.3)),
    "causal attention": lambda: Tokens(Attention(is_causal=True)),
}


def traced(name: str) -> tuple[nn.Module, ir.Model]:
    torch.manual_seed(0)
    module = MODULES[name]().eval()
    with torch.no_grad():
        return module, torch_to_onnx(module, InputShape(3, SIZE, SIZE))


@pytest.mark.parametrize("name", MODULES)
def test_the_graph_computes_what_the_module_does(name: str) -> None:
    """For a batch of another size than the traced one."""
    module, model = traced(name)
    images = torch.randn(3, 3, SIZE, SIZE)
    with torch.no_grad():
        expected = module(images).numpy()
    np.testing.assert_allclose(Session.of(model).run(images.numpy()), expected, rtol=1e-4, atol=1e-5)


def operators(name: str) -> list[str]:
    return [node.op_type for node in traced(name)[1].graph]


def test_pools_that_tile_stay_pools() -> None:
    assert "AveragePool" in operators("tiling windows")
    assert operators("overlapping windows").count("MatMul") == 2


@pytest.mark.parametrize("name", ["attention", "multi-head attention", "encoder"])
def test_attention_needs_no_scale_from_shapes(name: str) -> None:
    assert "Sqrt" not in operators(name)
    assert operators(name).count("Softmax") == 1


@pytest.mark.parametrize(("windows", "pixels"), [(3, 7), (7, 3), (5, 5), (1, 4), (16, 5)])
def test_a_pool_is_a_product(windows: int, pixels: int) -> None:
    row = torch.arange(pixels, dtype=torch.float32)[None]
    expected = functional.adaptive_avg_pool1d(row, windows)[0]
    torch.testing.assert_close(pool_matrix(windows, pixels) @ row[0], expected)


def test_everything_is_as_before_afterwards() -> None:
    """Also where a forward fails."""
    before = functional.scaled_dot_product_attention, torch.backends.mha.get_fastpath_enabled()
    with traceable():
        assert not torch.backends.mha.get_fastpath_enabled()
    with contextlib.suppress(ZeroDivisionError), traceable():
        raise ZeroDivisionError
    assert (functional.scaled_dot_product_attention, torch.backends.mha.get_fastpath_enabled()) == before
