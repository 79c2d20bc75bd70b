"""Read small JSON files that this machine wrote for itself, and can do without."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most

_T = TypeVar("_T")


def read_own(path: Path, kind: type[_T]) -> _T | None:
    """What was kept there; None where nothing was, or nothing whole."""
    try:
        return decode(read_at_most(path, MIB), kind, MIB, failed="", hint="")
    except (OSError, TbftError):
        return None
