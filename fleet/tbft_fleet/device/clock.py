"""What time it is, on a board that may have no clock: never before what was signed, nor before this was made.

A wall clock that is wrong is not remembered: once it is right again, nothing of the error is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.own import read_own
from tbft_artifacts.rights import PRIVATE_FILE

# When this version of the package was made, to a month or two: a test says when it has to be raised.
BUILT = datetime(2026, 12, 1, tzinfo=UTC)


def wall_clock() -> datetime:
    """What the board says."""
    return datetime.now(UTC).replace(microsecond=0)


class Seen(msgspec.Struct, frozen=True):
    """The newest time that the host signed, and the ids of the keys which then signed such times."""

    newest: datetime
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Clock:
    """The wall clock when somebody asked, and the file that keeps the newest time which was signed."""

    file: Path
    wall: datetime

    @property
    def is_known(self) -> bool:
        """Whether the wall clock can be right."""
        return self.wall >= BUILT

    @property
    def latest(self) -> datetime:
        """The newest time that anybody said, whoever signed it: it only has to go up."""
        seen = self._seen()
        return max(self.wall, BUILT, BUILT if seen is None else seen.newest)

    def time(self, keys: tuple[str, ...]) -> datetime:
        """The time of reference. What other keys than `keys` signed does not count: they are trusted no longer."""
        return max(self.wall, BUILT, self._newest(keys))

    def keep(self, signed: datetime, keys: tuple[str, ...]) -> None:
        """Remember a time that one of `keys` signed. Raises TbftError for a full disk."""
        if signed > self._newest(keys):
            with atomic_file(self.file, mode=PRIVATE_FILE) as temporary:
                temporary.write_bytes(msgspec.json.encode(Seen(signed, keys)))

    def _newest(self, keys: tuple[str, ...]) -> datetime:
        seen = self._seen()
        return BUILT if seen is None or seen.keys != keys else seen.newest

    def _seen(self) -> Seen | None:
        seen = read_own(self.file, Seen)
        return None if seen is None or seen.newest.tzinfo is None else seen
