"""Write files so that a reader, or a device whose plug is pulled, sees the old or the new one."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from tbft_artifacts.errors import TbftError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_WRONG_PLACE = (PermissionError, NotADirectoryError, IsADirectoryError, FileNotFoundError, FileExistsError)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well it takes the place of `path`.

    The content is flushed to the disk before the rename, and the folder after it. If the block fails
    the temporary file is removed and `path` stays as it was. A full disk becomes a TbftError.
    """
    if path.is_dir():
        raise TbftError(f"'{path}' cannot be written: it is a folder", "name a file with `out`")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with clear_disk_errors(path):
            yield temporary
            _flush(temporary)
            temporary.replace(path)
            _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; when the block ends well it becomes `path`.

    Raises TbftError if `path` exists and is not an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise TbftError(f"'{path}' exists already", "remove it, or choose another `out`")
    path = path.resolve()  # `.` has no name to put a temporary folder beside.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with clear_disk_errors(path):
            temporary.mkdir(parents=True)
            yield temporary
            for file in (*temporary.rglob("*"), temporary):
                _flush(file)
            temporary.replace(path)
            _flush(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def clear_disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, or a folder that cannot be written, into a TbftError that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise TbftError(
                f"no space left on the disk for '{path}'", "free some space; what was saved before is kept"
            ) from error
        if isinstance(error, _WRONG_PLACE) or error.errno == errno.EROFS:
            raise TbftError(
                f"'{path}' cannot be written ({error.strerror})", "choose a folder you can write"
            ) from error
        raise


def is_full_disk(error: TbftError) -> bool:
    """Whether `clear_disk_errors` raised it since there was no space left."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_SPACE


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
