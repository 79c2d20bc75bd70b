"""Recent images within a budget of bytes and days, so that rare classes and unsure ones are among them.

SQLite keeps the list, so that a pulled plug leaves it as it was before or after a change; files that it does not name
are removed when the agent starts. Nobody but the agent's user reads either.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import msgspec

from tbft_agent.keeping.listing import COLUMNS, NAME, folders_of, forget, is_damage, open_list, told
from tbft_agent.keeping.record import Kept
from tbft_agent.place import free_bytes
from tbft_artifacts.atomic import clear_disk_errors
from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.rights import PRIVATE_FILE, private_folder

# One of so many images is held out, by its digest, so that the same image always is or is not.
HELD_OUT_OF = 3
# Where there is so little left of the disk nothing more is kept, whatever the budget says.
LEAST_FREE = 64 << 20
# Of the answer with most bytes, the oldest image of the surer half: unsure ones stay until they are too old.
_LEAST_WANTED = """
with crowd as (select answer from images where label is null group by answer order by sum(bytes) desc limit 1),
ranked as (select digest, lived, row_number() over (order by confidence desc) as place, count(*) over () as many
    from images where label is null and answer = (select answer from crowd))
select digest from ranked where place <= (many + 1) / 2 order by lived, digest limit 32
"""
_OLDEST = "select digest from images order by lived, digest limit 1"
# Where the budget is reached a little more is removed: not for each image that comes is all looked through.
_FILLED_AGAIN = 0.98


class Store:
    """The folder `images`. Several threads may use it.

    Every method but `add` raises TbftError where the list cannot be read or written.
    """

    def __init__(self, folder: Path, most_bytes: int, most_seconds: float) -> None:
        """Raises TbftError for a list that cannot be opened; `was_damaged` says that one had to be begun anew."""
        self.folder, self._most_bytes, self._most_seconds = folder, most_bytes, most_seconds
        self._lock = threading.RLock()
        with clear_disk_errors(folder):
            private_folder(folder)
        self._list, self.was_damaged = open_list(folder)
        with told(self._path):
            try:
                listed = self._where("1")
            except (msgspec.ValidationError, sqlite3.DatabaseError) as error:
                if isinstance(error, sqlite3.DatabaseError) and not is_damage(error):
                    raise
                # Rows that no image has.
                self.was_damaged = True
                self._begin_anew()
                listed = []
        self._reconcile(listed)
        self._total = self._counted()

    def close(self) -> None:
        """Nothing is used afterwards."""
        with self._lock:
            self._list.close()

    def add(
        self, content: bytes, *, suffix: str, lived: float, version: int, episode: int, answer: str, confidence: float
    ) -> Kept | None:
        """Keep an image; None where it is there already, there is no room for it, or the list cannot be written."""
        digest = hashlib.sha256(content).hexdigest()
        kept = Kept(
            digest=digest,
            suffix=suffix,
            bytes=len(content),
            lived=lived,
            version=version,
            episode=episode,
            answer=answer,
            confidence=confidence,
            held_out=int(digest[:8], 16) % HELD_OUT_OF == 0,
            label=None,
            asked=None,
        )
        with self._lock:
            try:
                if len(content) > self._most_bytes or self.find(digest) is not None or not self._has_room():
                    return None
                self._keep(kept, lambda file: file.write(content))
                self.prune(lived)
            except TbftError:
                return None
        return kept

    def prune(self, lived: float) -> None:
        """Remove what is too old, and as much of the rest as the budget has no room for."""
        with self._lock, told(self._path):
            old = self._list.execute("select digest from images where lived < ?", (lived - self._most_seconds,))
            for (digest,) in old.fetchall():
                self.remove(digest)
            if self._total > self._most_bytes:
                self._remove_least_wanted()

    def remove(self, digest: str) -> None:
        """Forget an image: the list first, so that it never names a file that is gone."""
        with self._lock, told(self._path):
            kept = self.find(digest)
            if kept is not None:
                self._list.execute("delete from images where digest = ?", (digest,))
                self._total -= kept.bytes
                # What cannot be removed now is when the agent starts.
                with contextlib.suppress(OSError):
                    self.path(kept).unlink(missing_ok=True)

    def purge(self) -> int:
        """Forget all of them, and begin a new list, whatever is the matter with the one there is; how many there were.

        Raises TbftError if files cannot be removed.
        """
        with self._lock:
            return self._begin_anew()

    def label(self, digest: str, label: str | None) -> Kept | None:
        """Keep what somebody said of an image, or with None that it was not meant; None where it is not there.

        One that nobody was asked about is labelled for what is wrong with it: it is learned from, and proves nothing.
        """
        with self._lock, told(self._path):
            kept = self.find(digest)
            if kept is None:
                return None
            if label is not None:
                with contextlib.suppress(OSError):
                    # The photo itself was not flushed when it came.
                    flush(self.path(kept))
            sampled = label is not None and (kept.asked is not None or kept.sampled)
            held_out = kept.held_out and (sampled or label is None)
            self._list.execute(
                "update images set label = ?, sampled = ?, held_out = ? where digest = ?",
                (label, sampled, held_out, digest),
            )
            # Somebody took pains: flushed.
            self._list.execute("pragma wal_checkpoint(passive)")
            return self.find(digest)

    def move(self, digests: Iterable[str], episode: int) -> None:
        """Take these for images of another episode, to be trained on: they were chosen by what is wrong with them."""
        with self._lock, told(self._path):
            for digest in digests:
                self._list.execute(
                    "update images set episode = ?, held_out = 0, sampled = 0 where digest = ?", (episode, digest)
                )

    def ask(self, digests: Iterable[str]) -> None:
        """Ask for these, in their order, and for no others."""
        with self._lock, told(self._path):
            self._list.execute("begin immediate")
            try:
                self._list.execute("update images set asked = null where asked is not null")
                for place, digest in enumerate(digests):
                    self._list.execute("update images set asked = ? where digest = ?", (place, digest))
                self._list.execute("commit")
            except BaseException:
                # A full disk has rolled it back already.
                if self._list.in_transaction:
                    self._list.execute("rollback")
                raise

    def find(self, digest: str) -> Kept | None:
        found = self.where("digest = ?", digest)
        return found[0] if found else None

    def where(self, condition: str, *values: float | str) -> list[Kept]:
        """Those for which a condition of SQL holds, the oldest first."""
        with self._lock, told(self._path):
            return self._where(condition, *values)

    def latest_where(self, most: int, condition: str, *values: float | str) -> list[Kept]:
        """The last so many of them, the oldest first."""
        chosen = f"rowid in (select rowid from images where {condition} order by lived desc limit ?)"
        return self.where(chosen, *values, most)

    def asked(self) -> list[Kept]:
        """Those that somebody is asked about, in that order."""
        return sorted(self.where("asked is not null"), key=lambda kept: kept.asked or 0)

    def recent(self, most: int) -> list[Kept]:
        """The last ones, the newest first."""
        return self.latest_where(most, "1")[::-1]

    def path(self, kept: Kept) -> Path:
        return self.folder / kept.file

    def latest(self) -> tuple[float, int]:
        """The greatest age of the agent, and the last episode, that images tell of."""
        with self._lock, told(self._path):
            lived, episode = self._list.execute("select max(lived), max(episode) from images").fetchone()
            return float(lived or 0.0), int(episode or 0)

    @property
    def bytes(self) -> int:
        return self._total

    @property
    def count(self) -> int:
        return self.count_where("1")

    def count_where(self, condition: str, *values: float | str) -> int:
        """How many there are for which a condition of SQL holds."""
        with self._lock, told(self._path):
            return int(self._list.execute(f"select count(*) from images where {condition}", values).fetchone()[0])

    @property
    def _path(self) -> Path:
        return self.folder / NAME

    def _where(self, condition: str, *values: float | str) -> list[Kept]:
        rows = self._list.execute(f"select {COLUMNS} from images where {condition} order by lived, digest", values)
        return [_kept(row) for row in rows.fetchall()]

    def _remove_least_wanted(self) -> None:
        while self._total > self._most_bytes * _FILLED_AGAIN:
            found = self._list.execute(_LEAST_WANTED).fetchall() or self._list.execute(_OLDEST).fetchall()
            for (digest,) in found:
                if self._total > self._most_bytes * _FILLED_AGAIN:
                    self.remove(digest)

    def _counted(self) -> int:
        with told(self._path):
            return int(self._list.execute("select coalesce(sum(bytes), 0) from images").fetchone()[0])

    def _keep(self, kept: Kept, write: Callable[[BinaryIO], object]) -> None:
        path = self.path(kept)
        try:
            with told(path):
                private_folder(path.parent)
                # Not flushed: a photo that a pulled plug loses is followed by others.
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
                with os.fdopen(os.open(path, flags, PRIVATE_FILE), "wb") as file:
                    write(file)
                self._list.execute(
                    f"insert into images ({COLUMNS}) values ({','.join('?' * len(_row(kept)))})", _row(kept)
                )
        except TbftError:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            raise
        self._total += kept.bytes

    def _has_room(self) -> bool:
        free = free_bytes(self.folder)
        return free is not None and free > LEAST_FREE

    def _begin_anew(self) -> int:
        self._list.close()
        try:
            return forget(self.folder)
        finally:
            self._list, _ = open_list(self.folder)
            self._total = self._counted()

    def _reconcile(self, every: list[Kept]) -> None:
        """List and files name the same; a file that a pulled plug cut is none."""
        listed = {kept.file: kept for kept in every}
        for below in folders_of(self.folder):
            for file in below.iterdir():
                kept = listed.get(f"{below.name}/{file.name}")
                with contextlib.suppress(OSError):
                    if kept is not None and file.stat().st_size == kept.bytes:
                        del listed[kept.file]
                    else:
                        file.unlink()
        # Where the disk is full they are named until there is room to say that they are gone.
        with contextlib.suppress(sqlite3.DatabaseError):
            for kept in listed.values():
                self._list.execute("delete from images where digest = ?", (kept.digest,))


def _row(kept: Kept) -> tuple[object, ...]:
    return tuple(getattr(kept, name) for name in kept.__struct_fields__)


def _kept(row: tuple[object, ...]) -> Kept:
    """Raises msgspec.ValidationError for what is no image's."""
    return msgspec.convert(dict(zip(Kept.__struct_fields__, row, strict=True)), Kept, strict=False)
