"""Who may read what is written, on file systems that know such rights and on those that do not."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

# What is asked of the system, which takes away what the process's umask forbids.
BY_UMASK = 0o666
# The folder of a run holds photos of whoever lives beside the device, and what was computed from them.
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
_GROUP, _OTHERS = 0o060, 0o006


def shared_as(folder: Path) -> int:
    """The mode for a new file in `folder`, before the umask: for whoever may enter the folder, and nobody else."""
    try:
        rights = folder.stat().st_mode
    except OSError:
        rights = PRIVATE_FOLDER
    return PRIVATE_FILE | (_GROUP if rights & stat.S_IXGRP else 0) | (_OTHERS if rights & stat.S_IXOTH else 0)


def set_rights(path: Path, mode: int) -> None:
    """Give `path` these rights, if they differ. vfat and many shares know none, or set their own."""
    with contextlib.suppress(OSError):
        if stat.S_IMODE(path.stat(follow_symlinks=False).st_mode) != mode:
            path.chmod(mode)


def by_umask(path: Path) -> None:
    """Give a file that a library made the rights of any other new one."""
    umask = os.umask(0o077)
    os.umask(umask)
    set_rights(path, BY_UMASK & ~umask)


def restrict(folder: Path, mode: int) -> None:
    """Take from all that lies in `folder` the rights of those whom the mode of a file, `mode`, leaves out."""
    kept = mode | (mode & 0o444) >> 2
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            set_rights(path, stat.S_IMODE(path.stat().st_mode) & (kept | stat.S_ISGID))


def private_folder(folder: Path) -> None:
    """Make `folder`, or make sure that nobody else reads in one that is there.

    Raises OSError for a link that somebody else put in its place: what is written would lie where it leads.
    """
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    link = folder.lstat()
    if stat.S_ISLNK(link.st_mode) and link.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "it is a link of somebody else", str(folder))
    set_rights(folder, PRIVATE_FOLDER)
