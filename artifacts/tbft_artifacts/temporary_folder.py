"""Temporary folders, none of which stays for ever: what a killed process left goes when the next makes its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_artifacts.locks import take
from tbft_artifacts.regular import LIMITS, help_with, unreadable

_PREFIX = "tbft-edge-temporary-"
_NAME = re.compile(re.escape(_PREFIX) + r"[a-z0-9_]{8}")
# In each of them; whoever uses the folder holds its lock, which the system takes away with the process.
_LOCK = ".held"
_TRIES = 100


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder in TMPDIR that only this user can look into, for as long as the `with` block lasts.

    On boards TMPDIR is often memory. Folders of this kind that no process holds any more are removed first.

    Raises:
        TbftError: There is no place for temporary files that can be written.
    """
    place = _place()
    _sweep(place)
    folder, lock = _held(place)
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def _place() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        # Python tells limits of the process as folders that cannot be written.
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as limit:
            raise unreadable(os.devnull, limit) from error
        raise TbftError(
            f"no folder for temporary files can be written ({error.strerror})", "set TMPDIR to one that can"
        ) from error


def _held(place: Path) -> tuple[Path, int]:
    """A new folder and its lock. Another process may take one that is not locked yet for a leftover: then the next."""
    for _ in range(_TRIES):
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            if not place.is_dir():
                break
            continue
        except OSError as error:
            raise TbftError(
                f"no temporary folder can be made in '{place}' ({error.strerror})",
                help_with(error) if error.errno in LIMITS else "free some space there, or set TMPDIR to another folder",
            ) from error
        # Where a file system knows no locks nobody can take it, and so nobody removes the folder.
        if take(lock) is not False and os.fstat(lock).st_nlink:
            return folder, lock
        os.close(lock)
    raise TbftError(f"no temporary folder stays in '{place}'", "set TMPDIR to another folder")


def _sweep(place: Path) -> None:
    """Remove what nobody holds; what cannot be removed now stays for the next."""
    with contextlib.suppress(OSError), os.scandir(place) as found:
        for entry in found:
            if _NAME.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove_left(Path(entry.path), entry.stat(follow_symlinks=False))


def _remove_left(folder: Path, found: os.stat_result) -> None:
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == 0o700
    if not own:
        return
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        folder.rmdir()  # Whoever makes it has not come further; one that holds something is none of these.
        return
    try:
        if take(lock):
            _remove(folder)
    finally:
        os.close(lock)


def _remove(folder: Path) -> None:
    """The lock goes last: it marks what a process that is killed here leaves."""
    with contextlib.suppress(OSError):
        for entry in [*folder.iterdir()]:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != _LOCK:
                entry.unlink()
        # What could not be removed keeps its mark, by which the next one knows it.
        if [entry.name for entry in folder.iterdir()] == [_LOCK]:
            (folder / _LOCK).unlink()
        folder.rmdir()
