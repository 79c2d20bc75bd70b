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
from collections.abc import Iterable, Iterator
from pathlib import Path

from tbft_agent.keeping.record import Kept
from tbft_artifacts.atomic import clear_disk_errors
from tbft_artifacts.errors import TbftError
from tbft_artifacts.rights import PRIVATE_FILE, private_folder

# One of so many images is held out, by its digest, so that the same image always is or is not.
HELD_OUT_OF = 3
# Where there is so little left of the disk nothing more is kept, whatever the budget says.
_LEAST_FREE = 64 << 20
_TABLE = """
create table if not exists images (
    digest text primary key, suffix text not null, bytes integer not null, lived real not null,
    version integer not null, episode integer not null, answer text not null, confidence real not null,
    held_out integer not null, label text, asked integer
) strict
"""
_COLUMNS = "digest, suffix, bytes, lived, version, episode, answer, confidence, held_out, label, asked"
# Of the answer with most bytes, the oldest image of the surer half: unsure ones stay until they are too old.
_LEAST_WANTED = """
with crowd as (select answer from images where label is null group by answer order by sum(bytes) desc limit 1),
ranked as (select digest, lived, row_number() over (order by confidence desc) as place, count(*) over () as many
    from images where label is null and answer = (select answer from crowd))
select digest from ranked where place <= (many + 1) / 2 order by lived, digest limit 1
"""
_OLDEST = "select digest from images order by lived, digest limit 1"


class Store:
    """The folder `images`. Several threads may use it."""

    def __init__(self, folder: Path, most_bytes: int, most_seconds: float) -> None:
        """Raises TbftError for a list that is damaged."""
        self.folder, self._most_bytes, self._most_seconds = folder, most_bytes, most_seconds
        self._lock = threading.RLock()
        with clear_disk_errors(folder):
            private_folder(folder)
        path = folder / "images.sqlite"
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE))
            self._list = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._list.execute("pragma journal_mode = wal")
            self._list.execute(_TABLE)
            self._reconcile()
        except (sqlite3.DatabaseError, OSError) as error:
            raise TbftError(
                f"the list of images '{path}' cannot be read: {error}",
                "'tbft-edge agent purge' removes it and all images",
            ) from error

    def close(self) -> None:
        """Nothing is used afterwards."""
        with self._lock:
            self._list.close()

    def add(
        self, content: bytes, *, suffix: str, lived: float, version: int, episode: int, answer: str, confidence: float
    ) -> Kept | None:
        """Keep an image; None where it is there already, or there is no room for it."""
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
            if len(content) > self._most_bytes or self.find(digest) is not None or not self._has_room():
                return None
            path = self.folder / kept.file
            try:
                private_folder(path.parent)
                # Not flushed: a photo that a pulled plug loses is followed by others.
                with os.fdopen(
                    os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE_FILE), "wb"
                ) as file:
                    file.write(content)
                self._list.execute(f"insert into images ({_COLUMNS}) values ({','.join('?' * 11)})", _row(kept))
            except (OSError, sqlite3.DatabaseError):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
                return None
            self.prune(lived)
        return kept

    def prune(self, lived: float) -> None:
        """Remove what is too old, and as much of the rest as the budget has no room for."""
        with self._lock:
            old = self._list.execute("select digest from images where lived < ?", (lived - self._most_seconds,))
            for (digest,) in old.fetchall():
                self.remove(digest)
            while self.bytes > self._most_bytes:
                found = self._list.execute(_LEAST_WANTED).fetchone() or self._list.execute(_OLDEST).fetchone()
                self.remove(found[0])

    def remove(self, digest: str) -> None:
        """Forget an image: the list first, so that it never names a file that is gone."""
        with self._lock:
            kept = self.find(digest)
            if kept is not None:
                self._list.execute("delete from images where digest = ?", (digest,))
                (self.folder / kept.file).unlink(missing_ok=True)

    def purge(self) -> int:
        """Forget all of them; how many there were."""
        with self._lock:
            every = self.where("1")
            for kept in every:
                self.remove(kept.digest)
            # What was deleted stays in the file of the list until then.
            self._list.execute("vacuum")
        return len(every)

    def label(self, digest: str, label: str | None) -> Kept | None:
        """Keep what somebody said of an image, or with None that it was not meant; None where it is not there."""
        with self._lock:
            self._list.execute("update images set label = ? where digest = ?", (label, digest))
            return self.find(digest)

    def move(self, digests: Iterable[str], episode: int) -> None:
        """Take these for images of another episode, to be trained on: they were chosen by what is wrong with them."""
        with self._lock:
            for digest in digests:
                self._list.execute("update images set episode = ?, held_out = 0 where digest = ?", (episode, digest))

    def ask(self, digests: Iterable[str]) -> None:
        """Ask for these, in their order, and for no others."""
        with self._lock:
            self._list.execute("begin immediate")
            try:
                self._list.execute("update images set asked = null")
                for place, digest in enumerate(digests):
                    self._list.execute("update images set asked = ? where digest = ?", (place, digest))
                self._list.execute("commit")
            except BaseException:
                self._list.execute("rollback")
                raise

    def find(self, digest: str) -> Kept | None:
        found = self.where("digest = ?", digest)
        return found[0] if found else None

    def where(self, condition: str, *values: float | str) -> list[Kept]:
        """Those for which a condition of SQL holds, the oldest first."""
        with self._lock:
            rows = self._list.execute(f"select {_COLUMNS} from images where {condition} order by lived, digest", values)
            return [_kept(row) for row in rows.fetchall()]

    def asked(self) -> list[Kept]:
        """Those that somebody is asked about, in that order."""
        return sorted(self.where("asked is not null"), key=lambda kept: kept.asked or 0)

    def recent(self, most: int) -> list[Kept]:
        """The last ones, the newest first."""
        return self.where("rowid in (select rowid from images order by lived desc limit ?)", most)[::-1]

    def path(self, kept: Kept) -> Path:
        return self.folder / kept.file

    @property
    def bytes(self) -> int:
        with self._lock:
            return int(self._list.execute("select coalesce(sum(bytes), 0) from images").fetchone()[0])

    @property
    def count(self) -> int:
        with self._lock:
            return int(self._list.execute("select count(*) from images").fetchone()[0])

    def _has_room(self) -> bool:
        try:
            found = os.statvfs(self.folder)
        except OSError:
            return False
        return found.f_bavail * found.f_frsize > _LEAST_FREE

    def _reconcile(self) -> None:
        """List and files name the same."""
        listed = {kept.file: kept.digest for kept in self.where("1")}
        for name in _files(self.folder):
            if listed.pop(name, None) is None:
                (self.folder / name).unlink(missing_ok=True)
        for digest in listed.values():
            self._list.execute("delete from images where digest = ?", (digest,))


def _files(folder: Path) -> Iterator[str]:
    for below in sorted(folder.iterdir()):
        if below.is_dir() and not below.is_symlink():
            yield from (f"{below.name}/{file.name}" for file in below.iterdir())


def _row(kept: Kept) -> tuple[object, ...]:
    return tuple(getattr(kept, name) for name in kept.__struct_fields__)


def _kept(row: tuple[object, ...]) -> Kept:
    import msgspec

    return msgspec.convert(dict(zip(Kept.__struct_fields__, row, strict=True)), Kept, strict=False)
