"""Whether there is memory for the products of matrices."""

from __future__ import annotations

import numpy as np

# What OpenBLAS takes for a thread when it first multiplies, and some more.
_BUFFER = 64 << 20


def check_room() -> None:
    """Raises MemoryError where OpenBLAS would get no buffer: it ends a process then, in words of its own."""
    np.empty(_BUFFER, np.uint8)
