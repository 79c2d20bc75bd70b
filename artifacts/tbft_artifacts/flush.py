"""Wait until a file or folder lies on the disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

# What file systems say that cannot flush a folder: CIFS ahead of Linux 4.17, FUSE, WSL. Some let none be opened.
_NOT_FOR_FOLDERS = {
    *(errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF),
    *(errno.EACCES, errno.EPERM, errno.EISDIR),
}


def flush(path: Path) -> None:
    """Return when the content of a file, or the names in a folder, will survive a pulled plug.

    Of a folder whose file system promises no such thing nothing is asked: what was renamed into it is there.
    """
    try:
        _flush(path)
    except OSError as error:
        if error.errno not in _NOT_FOR_FOLDERS or not path.is_dir():
            raise


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
