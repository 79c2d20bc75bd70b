"""The devices of a fleet, a file each: who may tell something, and by which key that is known."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tbft_artifacts.atomic import atomic_file, clear_disk_errors
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.locked import locked
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.rights import PRIVATE_FILE, private_folder
from tbft_fleet.files.names import is_name
from tbft_fleet.host.device import Device

_SUFFIX = ".json"
_LOCK = ".lock"
_MEND = "nothing is taken of that device until 'tbft-edge fleet enrol --replace' takes it in anew"


@dataclass(frozen=True)
class Damaged:
    """A device whose record cannot be read, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Devices:
    """Those in `folder`."""

    folder: Path

    def get(self, name: str) -> Device | None:
        """The device of that name; None where there is none. Raises TbftError for a file that is damaged."""
        if not is_name(name):
            return None
        path = self.folder / f"{name}{_SUFFIX}"
        try:
            content = read_at_most(path, MIB)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unreadable(path, error) from error
        found = decode(content, Device, MIB, failed=f"'{path}' cannot be read", hint=_MEND)
        if found.name != name:
            raise TbftError(f"'{path}' is of device '{found.name}'", _MEND)
        return found

    def need(self, name: str) -> Device:
        """The device of that name. Raises TbftError where there is none."""
        found = self.get(name)
        if found is None:
            raise TbftError(f"no device '{name}' is enrolled in this fleet", "'tbft-edge fleet status' lists them")
        return found

    def __iter__(self) -> Iterator[Device]:
        """Those whose records can be read, one after the other by their names: a damaged one hinders no other.

        Raises TbftError where the folder cannot be read.
        """
        return (found for found in self.each() if isinstance(found, Device))

    def each(self) -> Iterator[Device | Damaged]:
        """All of them, as `__iter__`."""
        try:
            names = sorted(path.stem for path in self.folder.iterdir() if path.suffix == _SUFFIX)
        except OSError as error:
            raise unreadable(self.folder, error) from error
        return (found for name in names if (found := self._read(name)) is not None)

    def is_whole(self, name: str) -> bool:
        """Whether a device of that name is there, with a record that can be read."""
        return isinstance(self._read(name), Device)

    def _read(self, name: str) -> Device | Damaged | None:
        try:
            return self.get(name)
        except TbftError as error:
            return Damaged(name, error.message)

    def put_aside_damaged(self, name: str) -> None:
        """Let a record that cannot be read make room for a new one; under the name that it gets it is no device's."""
        if isinstance(self._read(name), Damaged):
            path = self.folder / f"{name}{_SUFFIX}"
            taken = sum(1 for _ in self.folder.glob(f"{path.name}~*"))
            path.rename(path.with_name(f"{path.name}~{taken + 1}"))

    def keep(self, device: Device) -> None:
        """Write what is known of a device now, all or nothing. Raises TbftError for a full disk."""
        path = self.folder / f"{device.name}{_SUFFIX}"
        # In a folder of its own: what a killed process left there is found without a look at every device.
        fresh = self.folder / ".new" / path.name
        with clear_disk_errors(path):
            private_folder(fresh.parent)
            with atomic_file(fresh, mode=PRIVATE_FILE) as temporary:
                temporary.write_bytes(msgspec.json.format(msgspec.json.encode(device), indent=1))
            fresh.replace(path)
            flush(self.folder)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder, and let nobody else change what is in it meanwhile: who comes later waits."""
        with clear_disk_errors(self.folder):
            private_folder(self.folder)
        with locked(self.folder / _LOCK, wait=True):
            yield
