"""Read the pickles that CIFAR-10 comes as, and run nothing that a pickle may ask for.

Python's unpickler calls whatever the file names. Here every name becomes a holder that only keeps what it
is given: neither numpy nor anything else is called with a stranger's arguments.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.datasets.downloads import CIFAR10

_HINT = f"nothing of it was run; {CIFAR10}"


def read_batch(path: Path) -> dict[str, Any]:
    """The dictionary in one of CIFAR-10's files: bytes, text, numbers, lists and uint8 arrays.

    Raises TbftError if there is anything else in it, or it cannot be read.
    """
    try:
        packed = path.read_bytes()
        _check_numbers(packed)
        content = _PlainUnpickler(io.BytesIO(packed), encoding="bytes").load()
    except _RefusedError as error:
        raise TbftError(f"'{path}' asks for {error}, which no CIFAR-10 file needs", _HINT) from error
    except OSError as error:
        raise TbftError(f"'{path}' cannot be read ({error.strerror})", "check its permissions") from error
    except Exception as error:  # Damaged pickles lead to EOFError, ValueError, AttributeError and others too.
        raise TbftError(f"'{path}' is damaged: {error}", CIFAR10) from error
    if not isinstance(content, dict):
        raise TbftError(f"'{path}' holds no dictionary, so it is no file of CIFAR-10", CIFAR10)
    return {_text(key): _plain(value, path) for key, value in content.items()}


def _check_numbers(packed: bytes) -> None:
    """Objects of a pickle have numbers, and the unpickler makes room up to the largest: four bytes can ask for 64 GB.

    Raises ValueError for a number that so short a file does not need, or if it is no pickle.
    """
    for operation, number, _ in pickletools.genops(packed):
        if operation.name in _NUMBERING and isinstance(number, int) and number >= len(packed):
            raise ValueError(f"{len(packed)} bytes of it have an object with the number {number}")


class _RefusedError(Exception):
    """A name that the file has no business with."""


class _ArrayClass:
    """Stands for `numpy.ndarray` where it is an argument; never made."""


class _DType:
    """Stands for `numpy.dtype`: keeps its code, such as `u1`."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = _text(code)

    def __setstate__(self, state: object) -> None: ...


class _Array:
    """Stands for `_reconstruct`: keeps the state from which numpy would make the array."""

    def __init__(self, *_: object) -> None:
        self.state: Any = None

    def __setstate__(self, state: object) -> None:
        self.state = state


def _encode(text: object, encoding: object) -> bytes:
    """Stands for `_codecs.encode`: how Python 3 writes bytes for Python 2, always latin-1."""
    if not isinstance(text, str) or _text(encoding) != "latin1":
        raise _RefusedError(f"_codecs.encode to {encoding!r}")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], object] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _ArrayClass,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
}


# Operations that give the last object a number.
_NUMBERING = ("PUT", "BINPUT", "LONG_BINPUT")


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> object:
        """Called for every function and class that the file names."""
        if (module_name, global_name) not in _STAND_INS:
            raise _RefusedError(f"'{module_name}.{global_name}'")
        return _STAND_INS[module_name, global_name]

    def persistent_load(self, pid: object, /) -> object:
        raise _RefusedError(f"the outside object {pid!r}")


def _plain(value: object, path: Path) -> object:
    if isinstance(value, _Array):
        return _array(value, path)
    if isinstance(value, list):
        return [_plain(item, path) for item in value]
    if isinstance(value, bytes | str | int):
        return value
    raise TbftError(f"'{path}' holds a {type(value).__name__}, which no CIFAR-10 file does", CIFAR10)


def _array(array: _Array, path: Path) -> np.ndarray:
    """The kept state (version, shape, dtype, whether columns come first, bytes) -> a uint8 array."""
    try:
        _, shape, dtype, columns_first, raw = array.state
        if not isinstance(dtype, _DType) or dtype.code != "u1" or not isinstance(raw, bytes):
            raise ValueError("its numbers are no bytes")
        return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if columns_first else "C")
    except (TypeError, ValueError) as error:
        raise TbftError(f"an array in '{path}' is damaged: {error}", CIFAR10) from error


def _text(value: object) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
