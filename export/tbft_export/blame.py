"""Whose fault it is that a network cannot be exported, in one line; Python keeps the cause."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tbft_artifacts.errors import TbftError

_BEHIND = "train a block behind it, or write the layer with operators that 'tbft-edge ops' lists"


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Inside, anything but a TbftError, a full disk or too little memory means a network that nobody thought of."""
    with _as_refusal("the compiler does not know how to train this network", _BEHIND):
        yield


@contextlib.contextmanager
def running() -> Iterator[None]:
    """The same where ONNX Runtime loads and runs what was compiled."""
    with _as_refusal("ONNX Runtime cannot run what this network was compiled to", _BEHIND):
        yield


@contextlib.contextmanager
def _as_refusal(what: str, hint: str) -> Iterator[None]:
    try:
        yield
    except (TbftError, OSError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise TbftError(f"{what}: {type(error).__name__}: {reason}", hint) from error
