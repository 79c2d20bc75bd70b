"""Write files so that a reader, or a device whose plug is pulled, sees the old or the new one."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.rights import BY_UMASK, PRIVATE_FILE, PRIVATE_FOLDER, set_rights
from tbft_artifacts.temporary import beside, held, new_file, remove_older

# What systems say where there is no room for more.
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_WRONG_PLACE = {
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY),
    *(errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.EILSEQ, errno.ENXIO),
    *(errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV),
}
_HINTS = {errno.ENAMETOOLONG: "choose a shorter name", errno.ELOOP: "remove the link, or choose another folder"}


@contextlib.contextmanager
def atomic_file(path: Path, *, mode: int = BY_UMASK, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well it takes the place of `path`.

    The content is flushed to the disk before the rename, and the folder after it, unless a pulled plug does not
    matter (`durable`). The file has the rights `mode`, less what the umask forbids, whatever writes it. If the block
    fails the temporary file is removed and `path` stays as it was; what killed processes left is removed before. A
    full disk becomes a TbftError.
    """
    check_replaceable(path)
    remove_older(path)
    temporary = beside(path)
    descriptor = None
    try:
        with clear_disk_errors(path):
            descriptor = new_file(temporary, mode)
            rights = stat.S_IMODE(os.fstat(descriptor).st_mode)
            yield temporary
            # Libraries may have put another file there, with rights of their own choice.
            set_rights(temporary, rights)
            if durable:
                flush(temporary)
            temporary.replace(path)
            if durable:
                flush(path.parent)
    finally:
        # Where that fails, what made the block fail is what has to be said.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def replace_if_other(path: Path, content: bytes, *, mode: int = BY_UMASK) -> None:
    """Let the file at `path` hold `content`, as `atomic_file` does; one that holds it already wears no card."""
    with contextlib.suppress(OSError):
        if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
            return
    with atomic_file(path, mode=mode) as temporary:
        temporary.write_bytes(content)


def check_replaceable(path: Path) -> None:
    """Raise TbftError if something lies at `path` that no file may take the place of."""
    with clear_disk_errors(path):
        kind = "a folder" if path.is_dir() else "no plain file" if path.exists() and not path.is_file() else None
    if kind is not None:
        raise TbftError(f"'{path}' cannot be written: it is {kind}", "remove it, or choose another place")


def check_place(path: Path) -> None:
    """Raise TbftError if a file could not be written at `path`: better said before the work than behind it."""
    with clear_disk_errors(path):
        temporary = beside(path)
        os.close(new_file(temporary, PRIVATE_FILE))
        temporary.unlink()


def check_empty(path: Path, shown: Path | None = None) -> None:
    """Raise TbftError, which calls it `shown`, if `path` exists and is not an empty folder."""
    shown = shown or path
    with clear_disk_errors(shown):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise TbftError(f"'{shown}' exists already", "remove it, or choose another `out`")


@contextlib.contextmanager
def atomic_folder(path: Path, shown: Path | None = None) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; when the block ends well it becomes `path`, which errors call `shown`.

    Until then nobody else may look into it. Raises TbftError if `path` exists and is not an empty folder.
    """
    shown = shown or path
    check_empty(path, shown)
    with clear_disk_errors(shown):
        path = path.resolve()  # `.` has no name to put a temporary folder beside.
    remove_older(path)
    temporary = beside(path)
    try:
        with clear_disk_errors(shown):
            temporary.mkdir(parents=True)
            rights = stat.S_IMODE(temporary.stat().st_mode)
            set_rights(temporary, PRIVATE_FOLDER)
            with held(temporary):
                yield temporary
                set_rights(temporary, rights)
                for file in (*temporary.rglob("*"), temporary):
                    flush(file)
                temporary.replace(path)
            flush(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def clear_disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, or a folder that cannot be written, into a TbftError that names `path`.

    What the system says of any other file passes as it is.
    """
    try:
        yield
    except OSError as error:
        if not _is_about(error, path):
            raise
        if error.errno in NO_SPACE:
            raise TbftError(
                f"no space left on the disk for '{path}'", "free some space; what was saved before is kept"
            ) from error
        if error.errno in _WRONG_PLACE:
            hint = _HINTS.get(error.errno, "choose a folder you can write")
            raise TbftError(f"'{path}' cannot be written ({error.strerror})", hint) from error
        if error.filename is not None and error.errno is not None:
            # Nobody knows the temporary file.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def is_full_disk(error: TbftError) -> bool:
    """Whether `clear_disk_errors` raised it since there was no space left."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in NO_SPACE


def _is_about(error: OSError, path: Path) -> bool:
    """Whether what failed is `path`, one above or below it, or a temporary file beside it; or nobody says."""
    if not isinstance(error.filename, str | bytes):
        return True
    named = Path(os.fsdecode(error.filename))
    beside_it = named.parent == path.parent and named.name.startswith(".")
    return (
        beside_it
        or named.is_relative_to(path)
        or path.is_relative_to(named)
        or any(above.parent == path.parent and above.name.startswith(f".{path.name[:32]}") for above in named.parents)
    )
