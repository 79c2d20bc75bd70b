"""Processes that end with the one that began them, even where that is killed."""

from __future__ import annotations

import ctypes
import os
import signal

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2).


def tie_to(parent: int, by: signal.Signals = signal.SIGKILL) -> bool:
    """End this process, by that signal, when `parent` ends, which began it; False if that has ended already."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, by)
    return os.getppid() == parent
