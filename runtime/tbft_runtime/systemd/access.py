"""Whether the user of the service may read and write where it has to, by the rights of files."""

from __future__ import annotations

import grp
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_runtime.systemd.places import is_hidden

_READ, _WRITE, _ENTER = 4, 2, 1
_LOOK, _CHANGE = _READ | _ENTER, _READ | _WRITE | _ENTER
_VERBS = {_ENTER: "enter", _READ: "read", _LOOK: "look into", _CHANGE: "write to"}
_CHANGES = {_ENTER: "o+x", _READ: "o+r", _LOOK: "o+rx", _CHANGE: "g+rwx"}


@dataclass(frozen=True)
class Account:
    """The user of the service, and its own group; None before they are made."""

    user: int | None
    group: int | None


def groups_for(account: Account, reads: Iterable[Path], writes: Iterable[Path]) -> set[int]:
    """The groups that the user has to be in beside its own.

    Raises TbftError for a place that it could not use even so, or that is not there.
    """
    needed: set[int] = set()
    for path in reads:
        needed |= _above(account, path)
        needed |= _needed(account, path, _LOOK if path.is_dir() else _READ)
    for path in writes:
        needed |= _above(account, path) | _needed(account, path, _CHANGE)
        if path.stat().st_mode & stat.S_ISVTX:
            raise TbftError(f"in '{path}' only its owner may remove a file", "take another folder")
    return needed


def check_owner(account: Account, state: Path) -> None:
    """Raise TbftError if the folder of the state is there already, and somebody else's."""
    if state.exists() and state.stat().st_uid != account.user:
        raise TbftError(f"'{state}' is there already, and somebody else's", "move it away, or choose another folder")


def groups_of(devices: Iterable[str]) -> set[int]:
    """The groups that devices are for, as far as they are plugged in: `video` on a Raspberry Pi."""
    return {Path(device).stat().st_gid for device in devices if Path(device).exists()} - {0}


def names_of(groups: Iterable[int]) -> tuple[str, ...]:
    """Sorted; a group without a name is its number."""
    return tuple(sorted(_name(number) for number in groups))


def _name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _above(account: Account, path: Path) -> set[int]:
    """For the folders that lead there; where it is bound systemd makes them."""
    if is_hidden(path):
        return set()
    return set().union(*(_needed(account, folder, _ENTER) for folder in path.parents))


def _needed(account: Account, path: Path, rights: int) -> set[int]:
    try:
        found = path.stat()
    except OSError as error:
        raise TbftError(f"'{path}' cannot be looked at ({error.strerror})", "is the path right?") from error
    owner, group, others = (bool(found.st_mode >> shift & rights == rights) for shift in (6, 3, 0))
    if found.st_uid == account.user:
        given = owner
    elif found.st_gid == account.group:
        given = group
    elif others:
        given = True
    elif group and found.st_gid:  # Root's own group reads more than anybody thinks of.
        return {found.st_gid}
    else:
        given = False
    if given:
        return set()
    raise TbftError(
        f"the user of the service could not {_VERBS[rights]} '{path}'", f"chmod {_CHANGES[rights]} '{path}'"
    )
