"""Ctrl-C, a service that is stopped (SIGTERM) and a lost terminal (SIGHUP) end a command in one way.

The first of them raises KeyboardInterrupt: what was begun is cleaned up, and how to go on is said. The next one ends
the process at once, also while a library computes, which hears of neither.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

from tbft_edge import process

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# A terminal that is closed, a service manager and a parent process may tell of one thing twice.
_ONE_EVENT_SECONDS = 0.25
_AGAIN_SECONDS = 0.02
# Of sigaction(2): what the system does with the signal becomes its default again once it came.
_ONCE = 0x80000000
_SET_BYTES = 128


class _Listener:
    """What was heard so far; `held` is set while nothing may be interrupted."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.held = False
        self.waiting = False
        self._heard_at = 0.0

    def interrupt(self, number: int, _frame: FrameType | None) -> None:
        """Python calls this between two instructions of the main thread, as soon as a library has returned."""
        if self.first is not None:
            if time.monotonic() - self._heard_at > _ONE_EVENT_SECONDS:
                os._exit(_code(number))
            return
        self.first, self._heard_at = number, time.monotonic()
        # From here on Python listens between any two instructions.
        signal.signal(number, self.interrupt)
        process.end_children()
        if self.held:
            self.waiting = True
        else:
            raise KeyboardInterrupt

    def swallowed(self, lost: sys.UnraisableHookArgs) -> None:
        """An interruption that fell into a destructor or a callback, where Python drops it, comes again behind it."""
        if lost.exc_type is KeyboardInterrupt and self.first is not None:
            number, self.first = self.first, None
            # Not at once: it would fall into this very function.
            signal.signal(signal.SIGALRM, lambda _, frame: self.interrupt(number, frame))
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
        else:
            sys.__unraisablehook__(lost)


_listener = _Listener()


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Listen for as long as the `with` block lasts. What the caller ignores, as `nohup` does, stays ignored."""
    global _listener
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _listener = _Listener()
    ours = [number for number in _ENDING if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)]
    handlers = {number: signal.signal(number, _listener.interrupt) for number in ours}
    hook, sys.unraisablehook = sys.unraisablehook, _listener.swallowed
    try:
        yield
    finally:
        sys.unraisablehook = hook
        # Once one was heard, the process ends: another one must not find Python's handler while it does.
        if _listener.first is None:
            for number, handler in handlers.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Interrupt only behind the `with` block: C extensions that are imported swallow it, or fail in their own way."""
    _listener.held = True
    try:
        yield
    finally:
        _listener.held = False
        _handle_once()
    if _listener.waiting:
        _listener.waiting = False
        raise KeyboardInterrupt


def _handle_once() -> None:
    """Let the system itself end the process by a second signal of a kind.

    Python's handler only notes that a signal came while a library computes, and a stranger's graph may do so for long.
    """
    import ctypes

    class Action(ctypes.Structure):
        _fields_ = (
            ("handler", ctypes.c_void_p),
            ("mask", ctypes.c_byte * _SET_BYTES),
            ("flags", ctypes.c_uint),
            ("restorer", ctypes.c_void_p),
        )

    action, library = Action(), ctypes.CDLL(None)
    for number in _ENDING:
        if signal.getsignal(number) == _listener.interrupt and not library.sigaction(
            number, None, ctypes.byref(action)
        ):
            action.flags |= _ONCE
            library.sigaction(number, ctypes.byref(action), None)


def exit_code() -> int | None:
    """Of a command that was interrupted, as a shell says it of one that the signal ended; None if none came."""
    return None if _listener.first is None else _code(_listener.first)


def _code(number: int) -> int:
    return 128 + number
