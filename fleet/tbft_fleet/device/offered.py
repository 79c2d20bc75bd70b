"""Which keys stood behind the releases that a device was offered: numbers that a thief used up do not count for ever.

As TUF forgets versions of metadata once their keys are replaced, against fast-forward attacks:
https://theupdateframework.github.io/specification/latest/#update-root
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.own import read_own
from tbft_artifacts.rights import PRIVATE_FILE
from tbft_artifacts.structs import Sha256, Some, Struct, Word
from tbft_fleet.files.release import Release


def is_above(number: int, current: int, forgotten: frozenset[int]) -> bool:
    """Whether a release comes after the one that runs, where numbers that are `forgotten` do not count.

    A folder has its number: one with the same never takes its place.
    """
    return number > current or (current in forgotten and number != current)


class _Offered(Struct, frozen=True):
    """A release, and the ids of the keys that signed releases when it was offered."""

    number: Some
    bundle_id: Sha256
    keys: tuple[Word, ...]


@dataclass(frozen=True)
class Offered:
    """The file that keeps them; of a release that it does not know, the number counts."""

    file: Path

    def by_others(self, keys: tuple[str, ...]) -> Mapping[int, str]:
        """The bundle of each number behind which other keys stood than `keys`."""
        return {each.number: each.bundle_id for each in self._known() if each.keys != keys}

    def keep(self, release: Release, keys: tuple[str, ...], numbers: Iterable[int]) -> None:
        """Remember one that is offered now, and forget others but `numbers`. Raises TbftError for a full disk."""
        known, others = self._known(), {*numbers} - {release.number}
        made = _Offered(release.number, release.bundle_id, keys)
        kept = (*(each for each in known if each.number in others), made)
        if kept != known:
            with atomic_file(self.file, mode=PRIVATE_FILE) as temporary:
                temporary.write_bytes(msgspec.json.encode(kept))

    def _known(self) -> tuple[_Offered, ...]:
        return read_own(self.file, tuple[_Offered, ...]) or ()
