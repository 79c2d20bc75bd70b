"""Programs that write results to keep, and those that write pages from them: what all of them do alike."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError

T = TypeVar("T")


@contextlib.contextmanager
def clear_errors() -> Iterator[None]:
    """Errors of the product end a benchmark in the words in which they end the command line."""
    try:
        yield
    except TbftError as error:
        sys.exit(f"error: {error.message}\n\nhint: {error.hint}")


def write_kept(file: Path, results: object) -> None:
    """Write results as JSON that people and `git diff` can read."""
    with atomic_file(file) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def read_kept(file: Path, kind: type[T], program: str) -> T:
    """Results that `program`, a module, wrote; without them the process ends, and says so."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        sys.exit(f"error: no results in '{file}': {error}\n\nhint: python -m {program}")
