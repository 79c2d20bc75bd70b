"""Short hashes that tell files and folders apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tbft_artifacts.bundle import file_entry
from tbft_artifacts.errors import TbftError

_LENGTH = 16


def of_file(path: Path) -> str:
    """Of a file's content. Raises TbftError if it cannot be read."""
    try:
        return file_entry(path).sha256[:_LENGTH]
    except OSError as error:
        raise TbftError(f"'{path}' cannot be read: {error.strerror}", "check the path and its permissions") from error


def of_data(path: Path) -> str:
    """Of a file's content, or of the names, sizes and times of change of a folder's files, which may be many GB."""
    if not path.is_dir():
        return of_file(path)
    digest = hashlib.sha256()
    for file in sorted(_files(path)):
        stat = file.stat()
        digest.update(
            f"{file.relative_to(path)}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode(errors="surrogateescape")
        )
    return digest.hexdigest()[:_LENGTH]


def _files(folder: Path) -> Iterator[Path]:
    """Also those in folders that are links, as large data sets are often put together; in a circle of them, once."""
    seen: set[tuple[int, int]] = set()
    for name, folders, files in os.walk(folder, followlinks=True):
        here = Path(name)
        status = here.stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()  # Of two ways to a folder it is always the same that counts.
        yield from (file for file in (here / each for each in files) if file.is_file())


def of_words(*words: object) -> str:
    """Of what the words say."""
    return hashlib.sha256("\0".join(map(str, words)).encode(errors="surrogateescape")).hexdigest()[:_LENGTH]
