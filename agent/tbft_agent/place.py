"""The folder that an agent keeps everything in: only its user looks into it, and only one agent at a time."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.atomic import clear_disk_errors
from tbft_artifacts.disk import disk_of
from tbft_artifacts.errors import TbftError
from tbft_artifacts.locked import locked
from tbft_artifacts.rights import private_folder


@dataclass(frozen=True)
class Place:
    """Where things lie."""

    folder: Path

    @property
    def versions(self) -> Path:
        """A folder for each model that answered, or may again."""
        return self.folder / "versions"

    @property
    def bundle(self) -> Path:
        """Where a bundle that came packed is unpacked."""
        return self.folder / "bundle"

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

    @property
    def free_bytes(self) -> int | None:
        """Of the disk that it lies on; None where the system does not say."""
        return free_bytes(self.folder)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Make the folder and hold it. Raises TbftError if another agent does, or it cannot be written."""
        with self.taken_if_free() as is_free:
            if not is_free:
                raise TbftError(
                    f"another agent has the folder '{self.folder}'", "stop it, or give this one another `state`"
                )
            yield

    @contextlib.contextmanager
    def taken_if_free(self) -> Iterator[bool]:
        """The same, but tells whether no other agent has it. Raises TbftError if it cannot be written."""
        with clear_disk_errors(self.folder):
            for folder in (self.folder, self.versions, self.images):
                private_folder(folder)
        with locked(self.folder / "lock", wait=False) as is_free:
            if is_free:
                self.clear_work()
            yield is_free

    def clear_work(self) -> None:
        """Begin with an empty folder for work: what a process that was killed left there is of no use.

        A training that has none fails, and says so.
        """
        shutil.rmtree(self.work, ignore_errors=True)
        with contextlib.suppress(OSError):
            private_folder(self.work)


def free_bytes(folder: Path) -> int | None:
    """Of the disk that `folder` lies on; None where the system does not say."""
    with contextlib.suppress(OSError):
        disk = disk_of(folder)
        return None if disk is None else disk.free
    return None
