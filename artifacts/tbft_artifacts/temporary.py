"""Files and folders that are written beside the place which they take at the end, under names of their own.

Whoever writes one holds its lock. What a killed process left is known by that: nobody holds it, and whoever writes
under the same name removes it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from tbft_artifacts.locks import take
from tbft_artifacts.regular import close_quietly

_TOKEN = 8
# `.NAME.TOKEN.tmp`.
_MORE = len("...tmp") + _TOKEN
_LONGEST_NAME = 255


def beside(path: Path) -> Path:
    """A name in the folder of `path` that nobody else uses or can guess."""
    return path.with_name(f".{_stem(path)}.{secrets.token_hex(_TOKEN // 2)}.tmp")


def new_file(path: Path, mode: int) -> int:
    """A descriptor of the new file `path`, locked where that is possible.

    Raises OSError if it exists, also as a link.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        descriptor = os.open(path, flags, mode)
        try:
            take(descriptor)
            # In between another process may have taken it for left behind.
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BaseException:
            close_quietly(descriptor)
            raise
        os.close(descriptor)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep others from taking `folder` for left behind."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        take(descriptor)
        yield
    finally:
        os.close(descriptor)


def remove_older(path: Path) -> None:
    """Remove what killed processes left that wrote `path`; where nobody can tell whether they live, it stays."""
    name = re.compile(rf"\.{re.escape(_stem(path))}\.[0-9a-f]{{{_TOKEN}}}\.tmp")
    with contextlib.suppress(OSError):  # Of a folder that cannot be read, or is not there yet.
        with os.scandir(path.parent) as entries:
            found = [entry.path for entry in entries if name.fullmatch(entry.name)]
        for each in found:
            with contextlib.suppress(OSError):
                _remove_if_left(Path(each))


def remove_all(folder: Path, pattern: str = ".*.tmp") -> None:
    """Remove what lies in `folder` under such names, whoever wrote it: only for one who is alone at work there."""
    for path in folder.glob(pattern):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _remove_if_left(path: Path) -> None:
    is_folder = stat.S_ISDIR(path.lstat().st_mode)
    # On shares only what is open for writing can be locked, which a folder never is; a pipe must not be waited for.
    kind = os.O_RDONLY | os.O_DIRECTORY if is_folder else os.O_RDWR | os.O_NONBLOCK
    descriptor = os.open(path, kind | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if take(descriptor) and is_folder:
            shutil.rmtree(path, ignore_errors=True)
        elif not is_folder and stat.S_ISREG(os.fstat(descriptor).st_mode) and take(descriptor):
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _stem(path: Path) -> str:
    """The name of `path`, or the beginning of one to which nothing could be added, and what tells it from others."""
    longest = _longest_name(path.parent)
    name = os.fsencode(path.name)
    if len(name) + _MORE <= longest:
        return path.name
    mark = hashlib.sha256(name).hexdigest()[:_TOKEN]
    # Not in the middle of a letter, which some file systems refuse.
    return name[: max(1, longest - _MORE - len(mark) - 1)].decode(errors="ignore") + "-" + mark


def _longest_name(folder: Path) -> int:
    """In bytes; encrypted folders take shorter ones than others."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        return _LONGEST_NAME
