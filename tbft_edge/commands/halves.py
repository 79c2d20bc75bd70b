"""The two halves of the product, imported when a command needs one."""

from __future__ import annotations

import importlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tbft_artifacts.errors import TbftError

_HALVES = {
    "device": (
        "tbft_runtime.training_run",
        "tbft_runtime.inference.evaluation",
        "tbft_runtime.inference.prediction",
        "tbft_runtime.finalization",
    ),
    "export": ("tbft_export.export",),
}


@contextmanager
def extra(name: str, *modules: str) -> Iterator[None]:
    """Import the half of the product that the extra `name` brings, or only `modules` of it.

    A missing package becomes a hint at the extra.
    """
    try:
        for module in modules or _HALVES[name]:
            _import_whole(module)
        yield
    except ModuleNotFoundError as error:
        raise TbftError(
            f"package '{error.name}' is not installed here",
            f"install it with: pip install 'tbft-edge[{name}]', in an environment of its own",
        ) from error


def _import_whole(module: str) -> None:
    """Import with Ctrl-C held back until the end: C extensions swallow it, or fail with errors of their own."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        importlib.import_module(module)
        return
    pressed = []
    signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        importlib.import_module(module)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt
