"""Slopes of activations in PyTorch, where they are to be other than autograd's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# Activations below are rounding: a norm's epsilon makes at most some hundred times as much of that of its input.
_NOTHING = 1e-5

# The slope at x, with the kinks of the activation where those of x - shift are.
Slope = Callable[[Tensor], Tensor]


class Slopes(TorchFunctionMode):
    """Inside, ReLU, ReLU6, hard-swish and hard-sigmoid have their own value, but the slope that is asked for.

    `shift`: they bend that many times the largest magnitude of their input further on. `masked`: ReLU6 and
    hard-swish have the slope 1 where their input is positive, else 0 (MobileTL, arXiv 2212.03246).
    """

    def __init__(self, *, shift: float = 0.0, masked: bool = False) -> None:
        super().__init__()
        self.shift = shift
        self.masked = masked

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        slope = self._slope(func, args, kwargs)
        if slope is None:
            return func(*args, **kwargs)
        x: Tensor = args[0] if args else kwargs["input"]
        with torch.no_grad():
            y = func(x.clone(), *args[1:], **{name: value for name, value in kwargs.items() if name != "input"})
            largest = x.abs().max()
            # Behind a dead layer all of it is 0 but for rounding, of numbers that a norm took out again.
            factor = slope(x - self.shift * (largest if largest > _NOTHING else 1.0))
        return _GivenSlope.apply(x, y, factor)  # type: ignore[no-untyped-call]

    def _slope(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Slope | None:
        if func in (functional.relu6, functional.hardswish) or _is_relu6(func, args, kwargs):
            if self.masked:
                return _positive
            if self.shift:
                return _hard_swish if func is functional.hardswish else _relu6
        if self.shift and func in (torch.relu, functional.relu):
            return _positive
        if self.shift and func is functional.hardsigmoid:
            return _hard_sigmoid
        return None


class _GivenSlope(torch.autograd.Function):
    """y = y; dx = dy * slope."""

    @staticmethod
    def forward(ctx: Any, _x: Tensor, y: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return gradients[0] * slope, None, None


def _is_relu6(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """nn.ReLU6 calls hardtanh."""
    bounds = dict(zip(("min_val", "max_val"), args[1:3], strict=False)) | kwargs
    return func is functional.hardtanh and (bounds.get("min_val"), bounds.get("max_val")) == (0.0, 6.0)


def _positive(x: Tensor) -> Tensor:
    return (x > 0).to(x.dtype)


def _relu6(x: Tensor) -> Tensor:
    return ((x > 0) & (x < 6)).to(x.dtype)


def _hard_sigmoid(x: Tensor) -> Tensor:
    return (x.abs() < 3).to(x.dtype) / 6


def _hard_swish(x: Tensor) -> Tensor:
    inside = torch.where(x >= 3, torch.ones_like(x), x / 3 + 0.5)
    return torch.where(x <= -3, torch.zeros_like(x), inside)
