"""Threads and memory of a check."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside, PyTorch computes on one.

    A check is thousands of small operations: threads that wait for each other take five times as much processor time
    where cores are shared, and gain little where they are not.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def give_memory_back() -> None:
    """Let the system have what was freed: of a large network's activations glibc keeps a gigabyte for later."""
    with contextlib.suppress(OSError, AttributeError):  # Other C libraries have no such function.
        ctypes.CDLL(None).malloc_trim(0)
