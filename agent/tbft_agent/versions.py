"""The models that answered: a folder for each, and a file that says which one does, changed by one rename.

Version 0 is the bundle as it came, which is never removed: whatever is damaged, it answers.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.numbered import Numbered
from tbft_artifacts.own import read_own
from tbft_artifacts.rights import private_folder
from tbft_artifacts.stored_paths import stored
from tbft_artifacts.structs import Count, Word
from tbft_runtime.run.folder import RunFolder

BUNDLE = 0
# Of those that answered, beside the one that does and the bundle.
KEPT_BEFORE = 3
# Of words that errors and classes may be part of.
_LONGEST = 500


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
    renamed: bool = False
    """Whether classes mean something else to it than to the bundle: labels of source images are wrong by now."""
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
        return self._numbered.place(number)

    def normal(self, number: int) -> Path:
        """What the images of its domain look like to it."""
        return self.place(number) / "normal.npz"

    def quiet(self, number: int) -> Path:
        """How far from normal they were while nothing drifted."""
        return self.place(number) / "quiet.json"

    def get(self, number: int) -> Version | None:
        """What is known of it; None where there is none that is whole."""
        if number == BUNDLE:
            return Version(number=BUNDLE)
        found = read_own(self.place(number) / "version.json", Version)
        if found is None:
            return None
        # Whoever goes back from one to the other must arrive at the bundle.
        is_after = found.before is None or found.before < number
        return found if found.number == number and is_after and (self.place(number) / "run").is_dir() else None

    def all(self) -> list[Version]:
        """By their numbers."""
        return [version for number in [BUNDLE, *self._numbered.numbers()] if (version := self.get(number)) is not None]

    @property
    def current(self) -> int:
        """The one that answers; where that is not there any more, or nobody knows which it is, the one before."""
        number = self._numbered.pointed()
        if number is None:
            return self._latest(below=self.next_number())
        return number if self.get(number) is not None else self._latest(below=number)

    def keep(self, run: Path, version: Version) -> None:
        """Take the folder of a run for `version`; it appears whole, and answers nothing yet."""
        building = self.folder / f".new-{version.number}"
        shutil.rmtree(building, ignore_errors=True)
        private_folder(building)
        run.rename(building / "run")
        (building / "version.json").write_bytes(_written(version))
        for path in (*building.rglob("*"), building):
            flush(path)
        building.rename(self.place(version.number))
        flush(self.folder)

    def mark(self, version: Version) -> None:
        """Keep what is known of it now."""
        if version.number != BUNDLE:
            with atomic_file(self.place(version.number) / "version.json") as temporary:
                temporary.write_bytes(_written(version))

    def activate(self, number: int) -> None:
        """Let it answer from now on, also after a pulled plug."""
        self._numbered.point(number)

    def next_number(self) -> int:
        """One that no folder has."""
        return max([BUNDLE, *self._numbered.numbers()]) + 1

    def before(self, number: int) -> int:
        """The one to go back to: the one before, and if that failed or is gone, the one before that."""
        version = self.get(number)
        while number != BUNDLE:
            if version is None:
                # What was before a damaged one nobody knows any more.
                return self._latest(below=number)
            number = BUNDLE if version.before is None else version.before
            version = self.get(number)
            if version is not None and version.failed is None:
                return number
        return BUNDLE

    def settle(self, bundle_id: str) -> None:
        """Tell the runs of the bundle of that id where it lies now: they hold its path, and it may have been moved.

        What cannot be read or written is found out when it is loaded.
        """
        place = stored(self.bundle.resolve())
        for number in self._numbered.numbers():
            folder = RunFolder(self.model(number))
            with contextlib.suppress(TbftError, OSError):
                run = folder.read_run()
                if run is not None and run.settings.bundle_id == bundle_id and run.bundle != place:
                    folder.write_run(msgspec.structs.replace(run, bundle=place))

    def prune(self) -> None:
        """Remove those that nobody goes back to, and what was never finished."""
        chain = [self.current]
        while chain[-1] != BUNDLE:
            chain.append(self.before(chain[-1]))
        kept = {self.place(number) for number in (BUNDLE, *chain[: 1 + KEPT_BEFORE])}
        for number in self._numbered.numbers():
            if self.place(number) not in kept:
                self._numbered.discard(number)
        self._numbered.clear_discarded()
        for path in self.folder.glob(".new-*"):
            shutil.rmtree(path, ignore_errors=True)

    def clear(self) -> None:
        """Remove all but the bundle, which is another one now, and what was learned of its images."""
        self.activate(BUNDLE)
        for number in (BUNDLE, *self._numbered.numbers()):
            self._numbered.discard(number)

    def _latest(self, below: int) -> int:
        """The last one with a lower number that is whole and did not fail."""
        found = (number for number in reversed(self._numbered.numbers()) if number < below)
        return next((n for n in found if (known := self.get(n)) is not None and known.failed is None), BUNDLE)

    @property
    def _numbered(self) -> Numbered:
        """The bundle is none of them, though what is known of its images lies in the folder of its number."""
        return Numbered(self.folder)


def _written(version: Version) -> bytes:
    """As a file holds it, which has room for a limited number of words."""
    failed = None if version.failed is None else _short(version.failed)
    return msgspec.json.encode(msgspec.structs.replace(version, how=_short(version.how), failed=failed))


def _short(words: str) -> str:
    return words.encode(errors="backslashreplace").decode()[:_LONGEST]
