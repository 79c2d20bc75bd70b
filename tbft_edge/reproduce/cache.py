"""Trials that were run, each in a file of its own, so that a run that is stopped goes on where it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most
from tbft_edge.reproduce.trial import Outcome

# Goes up when an outcome of an older version would no longer be what this one gives.
FORMAT = 1
_LIMIT = 16 * MIB


class _Entry(msgspec.Struct, frozen=True):
    """An outcome beside what decided it, for people who look into the folder."""

    identity: dict[str, str]
    outcome: Outcome


@dataclass(frozen=True)
class OutcomeCache:
    """Outcomes in `folder`, by what decided them."""

    folder: Path

    def find(self, key: str) -> Outcome | None:
        """The outcome of `key`; None if there is none, or none that can be read."""
        path = self._path(key)
        try:
            content = read_at_most(path, _LIMIT)
            return decode(content, _Entry, _LIMIT, failed=f"'{path}' is damaged", hint="it is run again").outcome
        except (OSError, TbftError):
            return None

    def keep(self, key: str, identity: dict[str, str], outcome: Outcome) -> None:
        """Write it, all or nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_file(self._path(key)) as temporary:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(_Entry(identity, outcome)), indent=1))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"
