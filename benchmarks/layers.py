"""A network as a list of layers, for peers that do not read torch modules."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

Kind = Literal[
    "convolution", "norm", "linear", "relu", "relu6", "add", "pad", "max-pool", "average-pool", "mean", "flatten"
]  # fmt: skip


class Layer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of them: `inputs` are places in the list, -1 the images; `name` is that of the module, for its tensors.

    `pad` holds (before, after) of N, C, H and W; `kernel`, `stride` and `padding` are the same for both sides.
    """

    kind: Kind
    inputs: tuple[int, ...]
    name: str = ""
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    groups: int = 1
    epsilon: float = 0.0
    pad: tuple[tuple[int, int], ...] = ()


def write_layers(layers: list[Layer], path: Path) -> None:
    """As JSON."""
    path.write_bytes(msgspec.json.encode(layers))


def read_layers(path: Path) -> list[Layer]:
    """Raises msgspec.DecodeError for another file."""
    return msgspec.json.decode(path.read_bytes(), type=list[Layer])
