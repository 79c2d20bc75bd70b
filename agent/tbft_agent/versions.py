"""The models that answered: a folder for each, and a file that says which one does, changed by one rename.

Version 0 is the bundle as it came, which is never removed: whatever is damaged, it answers.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.regular import read_at_most
from tbft_artifacts.rights import private_folder
from tbft_artifacts.structs import Count, Word

BUNDLE = 0
# Of those that answered, beside the one that does and the bundle.
KEPT_BEFORE = 3


class Version(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model: which one answered `before` it, how it was made, and whether labels said that it is better.

    `confidence` is its mean on images that it was made for, 0 to 1; None of the bundle.
    """

    number: Count
    before: Count | None = None
    how: Word = "the bundle as it came"
    made_at: Word = ""
    verified: bool = False
    confidence: float | None = None
    failed: Word | None = None
    """Why it does not answer any more, if something was wrong with it."""


@dataclass(frozen=True)
class Versions:
    """Those in `folder`, of the bundle at `bundle`."""

    folder: Path
    bundle: Path

    def model(self, number: int) -> Path:
        """What commands take as a model."""
        return self.bundle if number == BUNDLE else self.place(number) / "run"

    def place(self, number: int) -> Path:
        return self.folder / f"{number:06}"

    def normal(self, number: int) -> Path:
        """What the images of its domain look like to it."""
        return self.place(number) / "normal.npz"

    def get(self, number: int) -> Version | None:
        """What is known of it; None where there is none that is whole."""
        if number == BUNDLE:
            return Version(number=BUNDLE)
        try:
            content = read_at_most(self.place(number) / "version.json", MIB)
            found = decode(content, Version, MIB, failed="", hint="")
        except (OSError, TbftError):
            return None
        return found if found.number == number and (self.place(number) / "run").is_dir() else None

    def all(self) -> list[Version]:
        """By their numbers."""
        numbers = {int(path.name) for path in self.folder.iterdir() if path.name.isdecimal()} | {BUNDLE}
        return [version for number in sorted(numbers) if (version := self.get(number)) is not None]

    @property
    def current(self) -> int:
        """The one that answers; the bundle where nothing says so, or what it names is not there."""
        try:
            number = int(read_at_most(self._pointer, 64).decode("ascii"))
        except (OSError, ValueError):
            return BUNDLE
        return number if self.get(number) is not None else BUNDLE

    def keep(self, run: Path, version: Version) -> None:
        """Take the folder of a run for `version`; it appears whole, and answers nothing yet."""
        building = self.folder / f".new-{version.number}"
        shutil.rmtree(building, ignore_errors=True)
        private_folder(building)
        run.rename(building / "run")
        (building / "version.json").write_bytes(msgspec.json.encode(version))
        for path in (*building.rglob("*"), building):
            flush(path)
        building.rename(self.place(version.number))
        flush(self.folder)

    def mark(self, version: Version) -> None:
        """Keep what is known of it now."""
        if version.number != BUNDLE:
            with atomic_file(self.place(version.number) / "version.json") as temporary:
                temporary.write_bytes(msgspec.json.encode(version))

    def activate(self, number: int) -> None:
        """Let it answer from now on, also after a pulled plug."""
        with atomic_file(self._pointer) as temporary:
            temporary.write_text(f"{number}\n", encoding="ascii")

    def next_number(self) -> int:
        """One that no folder has."""
        taken = [int(path.name) for path in self.folder.iterdir() if path.name.isdecimal()]
        return max([BUNDLE, *taken]) + 1

    def before(self, number: int) -> int:
        """The one to go back to: the one before, and if that failed or is gone, the one before that."""
        while number != BUNDLE:
            version = self.get(number)
            number = BUNDLE if version is None or version.before is None else version.before
            found = self.get(number)
            if found is not None and found.failed is None:
                return number
        return BUNDLE

    def prune(self) -> None:
        """Remove those that nobody goes back to, and what was never finished."""
        chain = [self.current]
        while chain[-1] != BUNDLE:
            chain.append(self.before(chain[-1]))
        for path in self.folder.iterdir():
            number = int(path.name) if path.name.isdecimal() else None
            unfinished = number is None and path.name.startswith(".new-")
            if unfinished or (number is not None and number != BUNDLE and number not in chain[: 1 + KEPT_BEFORE]):
                with contextlib.suppress(OSError):
                    shutil.rmtree(path)

    @property
    def _pointer(self) -> Path:
        return Path(os.fspath(self.folder)) / "current"
