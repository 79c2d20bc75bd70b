"""Read files that strangers named: regular ones only, and no more of them than was asked for."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tbft_artifacts.errors import TbftError

CHUNK = 1 << 20
# What this process, or the machine, has no more of.
LIMITS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
_MEDIUM = {errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO}
_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading; a link to one is followed.

    A pipe would wait for whoever writes, a device may never end, and opening some devices does something: they are
    not opened at all, and where one takes the file's place in between, nothing waits for it.

    Raises:
        OSError: As `open` does, links in a circle included; IsADirectoryError for a folder, and EINVAL with words for
            what else is no regular file.
    """
    _check_regular(Path(path).stat().st_mode, path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check_regular(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        close_quietly(descriptor)
        raise


def close_quietly(descriptor: int) -> None:
    """Close it behind an error, which is what has to be told: an interruption may come when it is closed already."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def read_at_most(path: str | os.PathLike[str], limit: int) -> bytes:
    """The first `limit` bytes of a regular file and one more, by which `decode` knows that there is more.

    Raises OSError as `open_regular`.
    """
    with open_regular(path) as file:
        return file.read(limit + 1)


def pieces(file: BinaryIO, limit: int) -> Iterator[bytes]:
    """What is left of a file, in pieces, and of one that goes on behind `limit` bytes one byte more."""
    left = limit + 1
    while left > 0 and (chunk := file.read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk


def unreadable(path: str | os.PathLike[str], error: OSError) -> TbftError:
    """What an error of reading `path` is to its user: why, and what may help."""
    why = error.strerror or str(error)
    if isinstance(error, FileNotFoundError):
        return TbftError(f"'{path}' does not exist", "check the path")
    return TbftError(f"'{path}' cannot be read ({why})", help_with(error))


def help_with(error: OSError) -> str:
    """What may help against what the system refused."""
    if error.errno in LIMITS:
        return "close other programs, or raise the limits of this one (ulimit -a)"
    if error.errno in _MEDIUM:
        return "check the disk it lies on, and copy it again"
    if isinstance(error, PermissionError):
        return "check its permissions"
    return "check the path"


def _check_regular(mode: int, path: str | os.PathLike[str]) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    kind = next((words for holds, words in _KINDS if holds(mode)), "no file")
    raise OSError(errno.EINVAL, f"it is {kind}, and no regular file", os.fspath(path))
