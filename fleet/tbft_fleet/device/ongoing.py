"""The update that a device is at, or was at last, as a file: whoever is killed goes on from it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most
from tbft_artifacts.rights import PRIVATE_FILE
from tbft_artifacts.structs import Count, Some, Struct, Word
from tbft_fleet.device.states import ENDS, State

# Of words that errors, and names in them, may be part of.
_LONGEST = 500


class Ongoing(Struct, frozen=True, kw_only=True):
    """The update to release `number`; `before` ran before it (0: none did).

    `why` is what it did not pass, `tries` how often its gates were begun.
    """

    number: Some
    before: Count
    state: State
    why: Word | None = None
    tries: Count = 0

    @property
    def has_ended(self) -> bool:
        return self.state in ENDS

    @property
    def is_unproven(self) -> bool:
        """Whether it may run, or be about to, without having shown what it must."""
        return not self.has_ended and self.state is not State.COMMIT


class DamagedError(Exception):
    """There is something, and nobody can tell any more what it was."""


def read_ongoing(path: Path) -> Ongoing | None:
    """The last one; None of a device that never took on any. Raises DamagedError."""
    try:
        return decode(read_at_most(path, MIB), Ongoing, MIB, failed="", hint="")
    except FileNotFoundError:
        return None
    except (OSError, TbftError) as error:
        raise DamagedError from error


def write_ongoing(path: Path, ongoing: Ongoing) -> None:
    """Keep it, all or nothing, also after a pulled plug. Raises TbftError for a full disk."""
    with atomic_file(path, mode=PRIVATE_FILE) as temporary:
        temporary.write_bytes(msgspec.json.encode(ongoing))


def short(words: str) -> str:
    """As a file holds them, which has room for a limited number of words."""
    return words.encode(errors="backslashreplace").decode()[:_LONGEST]
