"""When Python looks for garbage, while an export makes millions of objects."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collecting_rarely() -> Iterator[None]:
    """Inside, Python looks for garbage only in `collect`: else that takes a quarter of an export's time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def collect() -> None:
    """Free graphs that nobody needs any more, made since the last time: their nodes and values hold each other."""
    gc.collect(1)
