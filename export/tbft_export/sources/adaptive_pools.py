"""Adaptive average pools of any size, while a network is traced."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_NAMES = {"adaptive_avg_pool1d": 1, "adaptive_avg_pool2d": 2}


@contextlib.contextmanager
def written_out_pools() -> Iterator[None]:
    """Inside, adaptive average pools whose result does not divide their image are sums of constant rows and columns.

    PyTorch's exporter refuses those: a VGG that was made for 224 pixels pools an image of 1 x 1 to 7 x 7 at 32. On each
    axis, of length L, with O results,

        y[i] = mean of x[a], .., x[b - 1] with a = floor(i * L / O), b = ceil((i + 1) * L / O)

    which becomes a sum of weights[t] * x[places[t]], as many as the longest mean has terms.
    """
    originals = {name: getattr(functional, name) for name in _NAMES}
    for name, axes in _NAMES.items():
        setattr(functional, name, _pool(originals[name], axes))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(functional, name, original)


def _pool(original: Callable[..., Tensor], axes: int) -> Callable[..., Tensor]:
    def pool(x: Tensor, output_size: Any) -> Tensor:
        lengths = [int(length) for length in x.shape[-axes:]]
        wanted = [output_size] * axes if isinstance(output_size, int) else list(output_size)
        sizes = [length if size is None else int(size) for length, size in zip(lengths, wanted, strict=True)]
        if all(length % size == 0 for length, size in zip(lengths, sizes, strict=True)):
            return original(x, output_size)
        for axis, length, size in zip(range(-axes, 0), lengths, sizes, strict=True):
            x = _means(x, axis, length, size)
        return x

    return pool


def _means(x: Tensor, axis: int, length: int, size: int) -> Tensor:
    bins = [range(index * length // size, -(-(index + 1) * length // size)) for index in range(size)]
    terms = []
    for places in itertools.zip_longest(*bins):
        rows = x.index_select(axis, torch.tensor([place or 0 for place in places]))
        terms.append(_weighed(rows, axis, [_weight(place, each) for place, each in zip(places, bins, strict=True)]))
    return functools.reduce(torch.add, terms)


def _weight(place: int | None, mean: range) -> float:
    """0 where that mean has no such term."""
    return 0.0 if place is None else 1 / len(mean)


def _weighed(rows: Tensor, axis: int, weights: Sequence[float]) -> Tensor:
    if all(weight == 1 for weight in weights):
        return rows
    return rows * torch.tensor(weights, dtype=rows.dtype).reshape(-1, *[1] * (-axis - 1))
