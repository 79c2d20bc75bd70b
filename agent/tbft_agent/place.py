"""The folder that an agent keeps everything in: only its user looks into it, and only one agent at a time."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.atomic import clear_disk_errors
from tbft_artifacts.errors import TbftError
from tbft_artifacts.locks import open_lock, take
from tbft_artifacts.regular import close_quietly
from tbft_artifacts.rights import PRIVATE_FILE, private_folder


@dataclass(frozen=True)
class Place:
    """Where things lie."""

    folder: Path

    @property
    def versions(self) -> Path:
        """A folder for each model that answered, or may again."""
        return self.folder / "versions"

    @property
    def images(self) -> Path:
        """Recent images, which nobody else sees."""
        return self.folder / "images"

    @property
    def work(self) -> Path:
        """What a training in progress needs; empty when the agent starts."""
        return self.folder / "work"

    @property
    def memory(self) -> Path:
        return self.folder / "memory.json"

    @property
    def token(self) -> Path:
        """What whoever is not on the board has to know."""
        return self.folder / "token"

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Make the folder and hold it. Raises TbftError if another agent does, or it cannot be written."""
        with clear_disk_errors(self.folder):
            for folder in (self.folder, self.versions, self.images):
                private_folder(folder)
            lock = open_lock(self.folder / "lock", PRIVATE_FILE)
        try:
            if take(lock) is False:
                raise TbftError(
                    f"another agent has the folder '{self.folder}'", "stop it, or give this one another `state`"
                )
            self.clear_work()
            yield
        finally:
            close_quietly(lock)

    def clear_work(self) -> None:
        """Begin with an empty folder for work: what a process that was killed left there is of no use."""
        shutil.rmtree(self.work, ignore_errors=True)
        with clear_disk_errors(self.folder):
            private_folder(self.work)
