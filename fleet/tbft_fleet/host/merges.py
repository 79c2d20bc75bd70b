"""The merges of a fleet: tensors that devices learned together, and who took part, each in a folder by its number."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec.structs import replace
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tbft_artifacts.atomic import atomic_file, atomic_folder
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.rights import PRIVATE_FILE, private_folder
from tbft_fleet.files.release import HIGHEST
from tbft_fleet.files.round import BROUGHT, ENVELOPE, RECORD, TENSORS, Brought, Made, Round
from tbft_fleet.host.folder import Fleet
from tbft_fleet.host.merge_signature import signed_merge, verify_merge

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

# Of a round of 100,000 devices.
_LIMIT = 32 * MIB
_RESTORE = "restore it from a copy"


def next_number(fleet: Fleet) -> int:
    """Of a task or a merge: higher than all before, also of a round that came to nothing, and no other process's.

    Raises TbftError where nobody can say any more which the last one was, and for a full disk.
    """
    path = fleet.folder / "rounds" / "number"
    with fleet.held():
        try:
            number = int(read_at_most(path, 64).decode("ascii")) + 1 if path.exists() else 1
        except (OSError, ValueError) as error:
            raise TbftError(
                f"'{path}' cannot be read: it has the number of the last task",
                "write that into it, or a higher one: devices take no task whose number is lower",
            ) from error
        private_folder(path.parent)
        _check_number(number, path)
        with atomic_file(path, mode=PRIVATE_FILE) as temporary:
            temporary.write_text(f"{number}\n", encoding="ascii")
    return number


def _check_number(number: int, path: Path) -> None:
    """What is written has to be read again: with a merge of another number nobody could release any more."""
    if not 1 <= number <= HIGHEST:
        raise TbftError(
            f"'{path}' leads to number {number}, and tasks have numbers from 1 to {HIGHEST}",
            "write the number of the last task into it: devices take no task whose number is lower",
        )


def keep_merge(fleet: Fleet, record: Round, tensors: dict[str, np.ndarray]) -> None:
    """Write a merge whole, or not at all, signed with the key that is online.

    Raises TbftError for a key that is not here, a root that expired, and a full disk.
    """
    bundle_id = next(each.bundle_id for each in fleet.releases() if each.number == record.release)
    made = Made(number=record.number, release=record.release, bundle_id=bundle_id)
    files = {TENSORS: save(tensors), RECORD: _encoded(record)}
    signature = signed_merge(files, made, fleet.repository.task_signer())
    with atomic_folder(merge_file(fleet, record.number).parent) as temporary:
        for name, content in {**files, ENVELOPE: signature}.items():
            (temporary / name).write_bytes(content)


def merge_file(fleet: Fleet, number: int) -> Path:
    """The tensors of a merge, with which the next round may begin."""
    return fleet.merges / f"{number:06}" / TENSORS


def merged_tensors(fleet: Fleet, number: int) -> dict[str, np.ndarray]:
    """Those of a merge, by name. Raises TbftError for a file that is gone, damaged, or not what the fleet signed."""
    path = merge_file(fleet, number)
    content = _content(path)
    _verify(fleet, path, content)
    return _tensors(path, content)


def check_own(fleet: Fleet, path: Path) -> None:
    """Raises TbftError where `path` lies among the fleet's merges, and is not what the fleet signed."""
    if path.absolute().parent.parent == fleet.merges.absolute():
        _verify(fleet, path, _content(path))


def rounds_in(fleet: Fleet) -> tuple[Round, ...]:
    """The records of rounds, in order; one that is damaged, or not what the fleet signed, hinders no other.

    Raises TbftError where the folder of merges cannot be read.
    """
    return rounds_and_damaged(fleet)[0]


def rounds_and_damaged(fleet: Fleet) -> tuple[tuple[Round, ...], tuple[str, ...]]:
    """The same, and of each record that is passed over, why."""
    found = tuple(_each(fleet))
    rounds = sorted((each for each in found if isinstance(each, Round)), key=lambda each: each.number)
    return tuple(rounds), tuple(each.message for each in found if isinstance(each, TbftError))


def merge_in(fleet: Fleet, bundle: Bundle) -> Round | None:
    """The newest merge that `bundle` was derived with, unless a release has brought it; None where there is none.

    One whose tensors are damaged nobody can tell from others: it keeps no bundle from its release. Raises TbftError
    where the bundle has the tensors that lie in a merge, and these are not what the fleet signed.
    """
    parents = {each.number for each in fleet.releases() if each.bundle_id == bundle.manifest.parent}
    waiting = [each for each in rounds_in(fleet) if each.into is None and each.release in parents]
    weights = bundle.load_weights() if waiting else {}
    for found in reversed(waiting):
        path = merge_file(fleet, found.number)
        try:
            content = _content(path)
            tensors = _tensors(path, content)
        except TbftError:
            continue
        if all(name in weights and weights[name].tobytes() == value.tobytes() for name, value in tensors.items()):
            _verify(fleet, path, content)
            return found
    return None


def brought(fleet: Fleet, merge: Round, release: int) -> None:
    """Note which release brings a merge to all."""
    with atomic_file(merge_file(fleet, merge.number).with_name(BROUGHT)) as temporary:
        temporary.write_bytes(msgspec.json.encode(Brought(release)))


def _verify(fleet: Fleet, path: Path, content: bytes) -> None:
    """Raises TbftError unless that is what the fleet signed."""
    verify_merge(path, content, _bundles(fleet), fleet.repository.merge_keys())


def _bundles(fleet: Fleet) -> dict[int, str]:
    return {each.number: each.bundle_id for each in fleet.releases()}


def _tensors(path: Path, content: bytes) -> dict[str, np.ndarray]:
    try:
        return load(content)
    except (SafetensorError, UnicodeError, KeyError, TypeError, ValueError) as error:
        raise TbftError(f"'{path}' cannot be read: {error}", _RESTORE) from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def _encoded(record: Round) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=1)


def _each(fleet: Fleet) -> Iterator[Round | TbftError]:
    try:
        places = sorted(fleet.merges.iterdir())
    except OSError as error:
        raise unreadable(fleet.merges, error) from error
    there = [place / RECORD for place in places if os.path.lexists(place / RECORD)]
    bundles, keys = (_bundles(fleet), fleet.repository.merge_keys()) if there else ({}, ())
    for path in there:
        try:
            yield _read(path, bundles, keys)
        except TbftError as error:
            yield error


def _read(path: Path, bundles: Mapping[int, str], keys: Sequence[SSlibKey]) -> Round:
    try:
        content = read_at_most(path, _LIMIT)
    except OSError as error:
        raise unreadable(path, error) from error
    found = decode(content, Round, _LIMIT, failed=f"'{path}' cannot be read", hint=_RESTORE)
    made = verify_merge(path, content, bundles, keys)
    if (made.number, made.release) != (found.number, found.release) or path.parent.name != f"{made.number:06}":
        raise TbftError(f"'{path}' is of merge {made.number}, and lies in the place of another", _RESTORE)
    later = path.with_name(BROUGHT)
    if not later.exists():
        return found
    note = decode(_content(later), Brought, _LIMIT, failed=f"'{later}' cannot be read", hint=_RESTORE)
    return replace(found, into=note.into)
