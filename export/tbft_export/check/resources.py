"""Threads and memory of a check."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

import torch

# Of glibc's malloc.h: when freed memory goes back to the system, and how much is taken from the system as pages alone.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_KEEP_ALL, _NO_PAGES = 2**31 - 1, 0
# What malloc makes of its defaults as it learns how large what is freed is.
_USUAL_TRIM, _USUAL_PAGES = 2**26, 2**16


@contextlib.contextmanager
def sparing() -> Iterator[None]:
    """Inside, PyTorch computes on one thread, and memory that is freed is kept for what comes next.

    A check is thousands of small operations: threads that wait for each other take five times as much processor time
    where cores are shared, and gain little where they are not. Each of its steps frees what the next one takes, and
    pages that go back to the system in between are cleared anew.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    _set_malloc(_KEEP_ALL, _NO_PAGES)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _set_malloc(_USUAL_TRIM, _USUAL_PAGES)
        give_memory_back()


def give_memory_back() -> None:
    """Let the system have what was freed: of a large network's activations glibc keeps a gigabyte for later."""
    with contextlib.suppress(OSError, AttributeError):  # Other C libraries have no such function.
        ctypes.CDLL(None).malloc_trim(0)


def _set_malloc(trim: int, pages: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_TRIM_THRESHOLD, trim)
        library.mallopt(_MMAP_MAX, pages)
