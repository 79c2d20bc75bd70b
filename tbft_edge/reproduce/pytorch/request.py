"""What a worker is asked for."""

from __future__ import annotations

import msgspec

from tbft_edge.reproduce.baselines import Baseline
from tbft_edge.reproduce.protocol import Protocol


class FineTuneRequest(msgspec.Struct, frozen=True, kw_only=True, tag="fine-tune"):
    """Paths of weights and data (`.npz` with images and labels), the modules to train, and how."""

    weights: str
    image_size: int
    modules: tuple[str, ...]
    protocol: Protocol
    train: str
    validation: str
    test: str
    threads: int


class AdaptRequest(msgspec.Struct, frozen=True, kw_only=True, tag="adapt"):
    """Paths of weights and of images to adapt to, whose labels are not read, and of labelled ones to test on.

    `seen` are the labels of the test images whose accuracy is told apart, where there are any.
    """

    weights: str
    image_size: int
    baseline: Baseline
    pool: str
    test: str
    seen: tuple[int, ...]
    seed: int
    threads: int


Request = FineTuneRequest | AdaptRequest
