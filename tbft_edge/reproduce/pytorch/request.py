"""What a worker is asked for: one fine-tuning."""

from __future__ import annotations

import msgspec

from tbft_edge.reproduce.protocol import Protocol


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of weights and data (`.npz` with images and labels), the modules to train, and how."""

    weights: str
    image_size: int
    modules: tuple[str, ...]
    protocol: Protocol
    train: str
    validation: str
    test: str
    threads: int
