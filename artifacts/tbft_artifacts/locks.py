"""Locks between processes, which the system frees when one dies; not every file system has them."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

# NFS without a lock daemon, FUSE, and shares that know no locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF}


def open_lock(path: Path, mode: int) -> int:
    """A descriptor of the file `path`, made if it is not there, whose content stays.

    Raises OSError also for a link, which somebody may have put there to have another file changed.
    """
    # Not blocking: somebody's named pipe would wait for a writer.
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    return os.open(path, flags, mode)


def take(descriptor: int, *, wait: bool = False) -> bool | None:
    """Lock an open file for this process alone.

    True: it is ours until the descriptor is closed. False: another process has it. None: its file system has no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True
