"""What PyTorch's TorchScript exporter cannot write, computed in another way while it traces."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


@contextlib.contextmanager
def traceable() -> Iterator[None]:
    """Inside, modules compute the same with operators that the exporter knows.

    Attention and encoder layers do so layer by layer, not in the one fused operator of their fast path; adaptive
    average pools whose windows overlap or differ in size are two products with matrices, and RMSNorm its formula.
    """
    fast, attention = torch.backends.mha.get_fastpath_enabled(), functional.scaled_dot_product_attention
    torch.backends.mha.set_fastpath_enabled(False)
    # A mode does not see what functions of PyTorch call themselves, as that of multi-head attention does.
    functional.scaled_dot_product_attention = partial(_attend, attention)
    try:
        with _Traceable():
            yield
    finally:
        functional.scaled_dot_product_attention = attention
        torch.backends.mha.set_fastpath_enabled(fast)


def pool_matrix(windows: int, pixels: int) -> Tensor:
    """(windows, pixels): row i takes the mean of pixels floor(i P / W) to ceil((i + 1) P / W), as PyTorch does."""
    matrix = torch.zeros(windows, pixels)
    for row in range(windows):
        first, last = row * pixels // windows, -(-(row + 1) * pixels // windows)
        matrix[row, first:last] = 1 / (last - first)
    return matrix


class _Traceable(TorchFunctionMode):
    """Calls what the exporter writes well as it is, and for the rest the functions below."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        written = _WRITTEN.get(func)
        kwargs = kwargs or {}
        return func(*args, **kwargs) if written is None else written(func, *args, **kwargs)


def _pool(func: Callable[..., Any], input: Tensor, output_size: Any) -> Any:  # noqa: A002
    """Y = R X C^T for each channel, R and C as `pool_matrix` has them, where windows do not tile the image."""
    height, width = (int(size) for size in input.shape[-2:])
    pair = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    rows, columns = (size if size is not None else own for size, own in zip(pair, (height, width), strict=True))
    if height % rows == 0 and width % columns == 0:
        return func(input, (rows, columns))
    return pool_matrix(rows, height).to(input.dtype) @ input @ pool_matrix(columns, width).T.to(input.dtype)


def _pool_signal(func: Callable[..., Any], input: Tensor, output_size: Any) -> Any:  # noqa: A002
    """The same of (N, C, L)."""
    length = int(input.shape[-1])
    (size,) = (output_size,) if isinstance(output_size, int) else tuple(output_size)
    if size is None or length % size == 0:
        return func(input, output_size)
    return input @ pool_matrix(size, length).T.to(input.dtype)


def _attend(
    func: Callable[..., Any],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    **others: Any,
) -> Any:
    """Softmax(Q K^T / sqrt(D)) V: the exporter has a node for each step in which PyTorch finds the scale."""
    if attn_mask is not None or dropout_p or is_causal or any(others.values()):
        return func(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **others)
    scale = 1 / math.sqrt(int(query.shape[-1])) if scale is None else scale
    return (query * scale @ key.transpose(-2, -1)).softmax(-1) @ value


def _rms_norm(
    _func: Callable[..., Any],
    input: Tensor,  # noqa: A002
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Any:
    """x / sqrt(mean(x^2) + epsilon) * weight, over as many last axes as the shape has; epsilon is float32's if none."""
    axes = tuple(range(-len(normalized_shape), 0))
    power = (input * input).mean(axes, keepdim=True) + (torch.finfo(input.dtype).eps if eps is None else eps)
    normal = input * torch.reciprocal(torch.sqrt(power))
    return normal if weight is None else normal * weight


_WRITTEN: Mapping[Callable[..., Any], Callable[..., Any]] = {
    functional.adaptive_avg_pool1d: _pool_signal,
    functional.adaptive_avg_pool2d: _pool,
    torch._C._nn.adaptive_avg_pool2d: _pool,
    functional.scaled_dot_product_attention: _attend,
    functional.rms_norm: _rms_norm,
    torch.rms_norm: _rms_norm,
}
