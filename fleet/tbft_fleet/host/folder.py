"""A fleet as its host has it: a folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.atomic import atomic_file, atomic_folder, clear_disk_errors
from tbft_artifacts.errors import TbftError
from tbft_artifacts.locked import locked
from tbft_artifacts.rights import private_folder
from tbft_fleet.files.release import Release
from tbft_fleet.host.repository import Repository
from tbft_fleet.host.settings import FILE, Settings, read_settings, written


@dataclass(frozen=True)
class Fleet:
    """The one in `folder`, and what it is set to."""

    folder: Path
    settings: Settings

    @property
    def repository(self) -> Repository:
        """What devices are given."""
        return Repository(self.folder / "repository", self.folder / "keys", self.settings.expiry)

    @property
    def devices(self) -> Path:
        """A file for each device that is enrolled."""
        return self.folder / "devices"

    @property
    def results(self) -> Path:
        """A folder for each device, with one for each of its results that was accepted."""
        return self.folder / "results"

    @property
    def merges(self) -> Path:
        """Merged weights, and who took part."""
        return self.folder / "merges"

    @property
    def root(self) -> Path:
        """What a device is given when it joins: the newest, since a key that was replaced may be a thief's by now."""
        files = self.repository.files
        return files.folder / f"{files.latest('root')}.root.json"

    def releases(self) -> tuple[Release, ...]:
        """Whole ones, in the order of their numbers. Raises TbftError for a repository that is damaged."""
        return tuple(release for release in self.repository.releases() if release.parent is None)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody else release, or change a key, meanwhile: who comes later waits."""
        with locked(self.folder / ".lock", wait=True):
            yield


def open_fleet(folder: Path) -> Fleet:
    """Raises TbftError where there is no fleet, or its settings cannot be read."""
    return Fleet(folder, read_settings(folder / FILE))


def make_fleet(folder: Path, groups: Sequence[str]) -> Fleet:
    """A new one without a device or a release, with new keys; whole, or not at all.

    Raises TbftError if something lies in `folder`, and for a group of a name that none has.
    """
    content = written(groups)
    with clear_disk_errors(folder):
        if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
            raise TbftError(f"'{folder}' exists already", "choose another folder, or remove it")
    with atomic_folder(folder) as temporary:
        with atomic_file(temporary / FILE) as file:
            file.write_text(content, encoding="utf-8")
        made = open_fleet(temporary)
        made.repository.create()
        for place in (made.devices, made.results, made.merges):
            private_folder(place)
    return open_fleet(folder)
