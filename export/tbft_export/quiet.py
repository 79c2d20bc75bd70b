"""What C++ writes straight to a file descriptor, and what libraries log, kept off the user's screen."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO


@contextlib.contextmanager
def quiet(descriptor: int) -> Iterator[None]:
    """Inside, what is written to file descriptor 1 or 2 is dropped."""
    stream = sys.stdout if descriptor == 1 else sys.stderr
    _flush(stream)
    try:
        saved = os.dup(descriptor)
    except OSError:  # It was closed: nobody reads it.
        yield
        return
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), descriptor)
    try:
        yield
    finally:
        _flush(stream)
        os.dup2(saved, descriptor)
        os.close(saved)


@contextlib.contextmanager
def unlogged(library: str) -> Iterator[None]:
    """Inside, or in a function that this decorates, the library logs nothing, as of what an error says in one line."""
    logger = logging.getLogger(library)
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def _flush(stream: TextIO) -> None:
    stream.flush()
    with contextlib.suppress(OSError, AttributeError):  # C has a buffer of its own.
        ctypes.CDLL(None).fflush(None)
