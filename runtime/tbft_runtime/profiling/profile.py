"""What `train` reports with `profile`."""

from __future__ import annotations

from typing import Literal

import msgspec

GraphName = Literal["prefix", "gradient", "update"]


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds per train step, mean over the profiled ones, that one operator or layer takes; `calls` per step."""

    name: str
    milliseconds: float
    calls: float


class GraphProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One graph of a train step: its kernels by operator and by layer, longest first, summed over threads.

    `kernel_ms` is the sum of all kernels per step, `wall_ms` how long the graph's runs took, each the mean.
    """

    graph: GraphName
    wall_ms: float
    kernel_ms: float
    operators: tuple[Slice, ...]
    layers: tuple[Slice, ...]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """`steps` train steps, run again after training on its first batch, not counted in any other number."""

    steps: int
    batch_size: int
    graphs: tuple[GraphProfile, ...]
