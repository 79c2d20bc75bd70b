"""Read a file of a bundle as it was verified: what is used is what was hashed, however long after."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import FileEntry


def read_verified(path: Path, entry: FileEntry, name: str, bundle: Path) -> bytes:
    """The content of the file at `path`, which `entry` describes; errors call it `name` of `bundle`.

    Raises TbftError if it cannot be read, or is not what was listed.
    """
    try:
        content = _read(path, entry.bytes)
    except OSError as error:
        raise TbftError(
            f"'{name}' of bundle '{bundle}' cannot be read any more ({error.strerror})",
            "is the drive that it lies on still there? Else copy the bundle again",
        ) from error
    if content is None or hashlib.sha256(content).hexdigest() != entry.sha256:
        raise TbftError(
            f"'{name}' of bundle '{bundle}' is not what was verified: its content changed",
            "copy the bundle again, and change nothing in it while it is used",
        )
    return content


def _read(path: Path, size: int) -> bytes | None:
    """The content of a plain file; None of anything else, or if it has not that size."""
    # Whoever puts a pipe in its place must not stop us.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb", buffering=0) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            return None
        content = file.read(size)
        return content if content is not None and len(content) == size else None
