"""The merges of a fleet: tensors that devices learned together, and who took part, each in a folder by its number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import replace
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from tbft_artifacts.atomic import atomic_file, atomic_folder
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.rights import PRIVATE_FILE, private_folder
from tbft_fleet.files.release import HIGHEST
from tbft_fleet.files.round import Round
from tbft_fleet.host.folder import Fleet

RECORD = "round.json"
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
    """Write a merge whole, or not at all. Raises TbftError for a full disk."""
    with atomic_folder(merge_file(fleet, record.number).parent) as temporary:
        (temporary / merge_file(fleet, record.number).name).write_bytes(save(tensors))
        (temporary / RECORD).write_bytes(_encoded(record))


def merge_file(fleet: Fleet, number: int) -> Path:
    """The tensors of a merge, with which the next round may begin."""
    return fleet.merges / f"{number:06}" / "merge.safetensors"


def merged_tensors(fleet: Fleet, number: int) -> dict[str, np.ndarray]:
    """Those of a merge, by name. Raises TbftError for a file that is gone or damaged."""
    path = merge_file(fleet, number)
    try:
        return load_file(path)
    except OSError as error:
        raise unreadable(path, error) from error
    except (SafetensorError, UnicodeError, KeyError, TypeError, ValueError) as error:
        raise TbftError(f"'{path}' cannot be read: {error}", _RESTORE) from error


def rounds_in(folder: Path) -> tuple[Round, ...]:
    """The records of rounds in the fleet's folder of merges, in order; a damaged one hinders no other.

    Raises TbftError where the folder cannot be read.
    """
    found = (each for each in _each(folder) if isinstance(each, Round))
    return tuple(sorted(found, key=lambda each: each.number))


def damaged_rounds(folder: Path) -> tuple[str, ...]:
    """Of each record that `rounds_in` passes over, why."""
    return tuple(each.message for each in _each(folder) if isinstance(each, TbftError))


def merge_in(fleet: Fleet, bundle: Bundle) -> Round | None:
    """The newest merge that `bundle` was derived with, unless a release has brought it; None where there is none.

    One whose tensors are damaged nobody can tell from others: it keeps no bundle from its release.
    """
    parents = {each.number for each in fleet.releases() if each.bundle_id == bundle.manifest.parent}
    waiting = [each for each in rounds_in(fleet.merges) if each.into is None and each.release in parents]
    weights = bundle.load_weights() if waiting else {}
    for found in reversed(waiting):
        try:
            tensors = merged_tensors(fleet, found.number)
        except TbftError:
            continue
        if all(name in weights and weights[name].tobytes() == value.tobytes() for name, value in tensors.items()):
            return found
    return None


def brought(fleet: Fleet, merge: Round, release: int) -> None:
    """Note which release brings a merge to all."""
    with atomic_file(merge_file(fleet, merge.number).with_name(RECORD)) as temporary:
        temporary.write_bytes(_encoded(replace(merge, into=release)))


def _encoded(record: Round) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=1)


def _each(folder: Path) -> Iterator[Round | TbftError]:
    try:
        places = sorted(folder.iterdir())
    except OSError as error:
        raise unreadable(folder, error) from error
    for path in (place / RECORD for place in places):
        if os.path.lexists(path):
            try:
                yield _read(path)
            except TbftError as error:
                yield error


def _read(path: Path) -> Round:
    try:
        content = read_at_most(path, _LIMIT)
    except OSError as error:
        raise unreadable(path, error) from error
    return decode(content, Round, _LIMIT, failed=f"'{path}' cannot be read", hint=_RESTORE)
