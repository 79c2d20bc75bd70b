"""A folder is held by the lock of a file in it, for as long as a block lasts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tbft_artifacts.atomic import clear_disk_errors
from tbft_artifacts.locks import open_lock, take
from tbft_artifacts.regular import close_quietly
from tbft_artifacts.rights import PRIVATE_FILE


@contextlib.contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the lock of the file `path`, which is made if it is not there; whether it is ours.

    It is not where another process has it and nobody `wait`s. A file system without locks lets everybody in.
    Raises TbftError where the file cannot be made.
    """
    with clear_disk_errors(path.parent):
        lock = open_lock(path, PRIVATE_FILE)
    try:
        yield take(lock, wait=wait) is not False
    finally:
        close_quietly(lock)
