"""What other engines are told on emulated ARM: their guests have nothing of this project but `benchmarks`."""

from __future__ import annotations

import contextlib
import os

import msgspec


class TrainJob(msgspec.Struct, frozen=True, kw_only=True):
    """Train steps on one batch.

    `weights` is a safetensors file, `batch` an .npz of images (N, C, H, W) float32 and labels (N,) int64.
    Parameters named in `trained` require gradients; the norms whose running mean `batch_statistics` names are in
    train mode, all others in eval mode. `marks` are process ids that cannot exist: asking for them before and after
    each step marks it for the emulator, as `tbft_runtime.measure` does.
    """

    network: str
    image_size: int
    classes: int
    weights: str
    batch: str
    trained: tuple[str, ...]
    batch_statistics: tuple[str, ...]
    channels_last: bool
    steps: int
    lr: float
    momentum: float
    marks: tuple[int, int]


def mark(process: int) -> None:
    """Tell an emulator that counts how far the program is."""
    with contextlib.suppress(ProcessLookupError):
        os.getpgid(process)
