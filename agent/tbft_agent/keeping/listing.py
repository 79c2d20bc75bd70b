"""The list of images: one SQLite file, which is begun anew where it is damaged, so that the agent answers again.

It says by which layout it is written. One of a newer layout is no damaged one: it is left as it is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_artifacts.rights import PRIVATE_FILE

NAME = "images.sqlite"
COLUMNS = "digest, suffix, bytes, lived, version, episode, answer, confidence, held_out, label, asked, sampled"
_TABLE = """
create table if not exists images (
    digest text primary key, suffix text not null, bytes integer not null, lived real not null,
    version integer not null, episode integer not null, answer text not null, confidence real not null,
    held_out integer not null, label text, asked integer, sampled integer not null
) strict
"""
_INDICES = (
    "create index if not exists by_age on images (lived, digest)",
    "create index if not exists by_label on images (episode, lived) where label is not null",
)
# The layout above. Lists of the first agents have the same columns, and no number, which is 0.
LAYOUT = 1
# In them a label that nobody asked for could be held out; by now such labels prove nothing, and are learned from.
_FROM_THE_FIRST = "update images set held_out = 0 where label is not null and sampled = 0"
_BUSY_SECONDS = 2.0
_HEX = frozenset("0123456789abcdef")


class _DamagedError(sqlite3.DatabaseError):
    """What is in the file is no list of images."""


def stamp(layout: int) -> int:
    """The `user_version` of a list: the number twice, so that a flipped bit is not taken for a newer layout."""
    return layout << 16 | layout


def open_list(folder: Path) -> tuple[sqlite3.Connection, bool]:
    """The list in `folder`, and whether it was damaged and is empty now.

    Raises TbftError if it cannot be opened, or is of a newer layout.
    """
    path = folder / NAME
    with told(path):
        try:
            return _opened(path), False
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            remove_list(folder)
            return _opened(path), True


def remove_list(folder: Path) -> None:
    """The list alone, with what SQLite keeps beside it. Raises OSError."""
    for name in (NAME, f"{NAME}-wal", f"{NAME}-shm", f"{NAME}-journal"):
        (folder / name).unlink(missing_ok=True)


def folders_of(folder: Path) -> Iterator[Path]:
    """Those that images lie in: what else a disk has, such as `lost+found`, is nobody's image."""
    with contextlib.suppress(FileNotFoundError):
        for below in sorted(folder.iterdir()):
            if len(below.name) == 2 and set(below.name) <= _HEX and below.is_dir() and not below.is_symlink():
                yield below


def forget(folder: Path) -> int:
    """Remove the list and every image, whatever is damaged of them; how many images there were.

    Nobody has the list open. Raises TbftError.
    """
    count = 0
    with told(folder):
        for below in folders_of(folder):
            count += sum(1 for _ in below.iterdir())
            shutil.rmtree(below)
        remove_list(folder)
    return count


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file's content is to blame, and not the disk or another process."""
    # Columns that are not there are an error of no other kind; text that is no UTF-8 is one of Python's.
    named = getattr(error, "sqlite_errorname", "")
    return named in ("", "SQLITE_ERROR") or named.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say into one line."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise TbftError(
            f"the list of images '{path}' cannot be used: {error}",
            "free some space if the disk is full; 'tbft-edge agent purge' removes it and all images",
        ) from error


def _opened(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None)
    try:
        # Alone, it needs no shared memory beside it, which a full disk has no room for.
        connection.execute("pragma locking_mode = exclusive")
        connection.execute("pragma journal_mode = wal")
        # A pulled plug may take the last photos with it; labels are flushed when they are given.
        connection.execute("pragma synchronous = normal")
        connection.execute("pragma secure_delete = on")
        _check_layout(connection, path)
        connection.execute(_TABLE)
        for index in _INDICES:
            connection.execute(index)
        connection.execute(f"select {COLUMNS} from images limit 1").fetchall()
        if connection.execute("pragma integrity_check(1)").fetchone() != ("ok",):
            raise _DamagedError("it is damaged")
        _say_layout(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_layout(connection: sqlite3.Connection, path: Path) -> None:
    """Raises TbftError for a list of a newer agent, whose labels nobody may lose."""
    first, second = divmod(_layout(connection), 1 << 16)
    if first == second and first > LAYOUT:
        raise TbftError(
            f"the list of images '{path}' is of layout {first}, and this agent knows {LAYOUT}",
            "take the newer tbft-edge again; 'tbft-edge agent purge' removes it and all images",
        )


def _say_layout(connection: sqlite3.Connection) -> None:
    if _layout(connection) == stamp(LAYOUT):
        return
    # On a full disk the next start does it.
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute(_FROM_THE_FIRST)
        connection.execute(f"pragma user_version = {stamp(LAYOUT)}")


def _layout(connection: sqlite3.Connection) -> int:
    return int(connection.execute("pragma user_version").fetchone()[0])
