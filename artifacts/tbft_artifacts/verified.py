"""Read a file of a bundle as it was verified: what is used is what was hashed, however long after."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import FileEntry
from tbft_artifacts.regular import read_at_most


def read_verified(path: Path, entry: FileEntry, name: str, bundle: Path) -> bytes:
    """The content of the file at `path`, which `entry` describes; errors call it `name` of `bundle`.

    Raises TbftError if it cannot be read, or is not what was listed.
    """
    try:
        content = read_at_most(path, entry.bytes)
    except OSError as error:
        raise TbftError(
            f"'{name}' of bundle '{bundle}' cannot be read any more ({error.strerror})",
            "is the drive that it lies on still there? Else copy the bundle again",
        ) from error
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise TbftError(
            f"'{name}' of bundle '{bundle}' is not what was verified: its content changed",
            "copy the bundle again, and change nothing in it while it is used",
        )
    return content
