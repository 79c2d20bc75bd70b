"""A task as files, whatever carries them: the envelope, and the tensors to begin with where there are some."""

from __future__ import annotations

from pathlib import Path

from tbft_artifacts.atomic import atomic_folder
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.signing.envelope import LIMIT
from tbft_fleet.files.task import BASE
from tbft_fleet.rounds.parcel import Parcel

ENVELOPE = "task.dsse.json"
# Of all weights of the largest network that devices train.
_LARGEST = 1 << 30


def write_task(folder: Path, parcel: Parcel) -> None:
    """Into a new folder, whole or not at all. Raises TbftError where it is there already, and for a full disk."""
    with atomic_folder(folder) as temporary:
        (temporary / ENVELOPE).write_bytes(parcel.envelope)
        if parcel.tensors:
            (temporary / BASE).write_bytes(parcel.tensors)


def read_task(folder: Path) -> Parcel:
    """What nobody has verified yet. Raises TbftError for a folder that has no task, or cannot be read."""
    try:
        envelope = read_at_most(folder / ENVELOPE, LIMIT)
        base = read_at_most(folder / BASE, _LARGEST) if (folder / BASE).exists() else b""
    except FileNotFoundError as error:
        raise TbftError(
            f"'{folder}' has no '{ENVELOPE}'", "give the folder that 'tbft-edge fleet task' wrote on the host"
        ) from error
    except OSError as error:
        raise unreadable(folder, error) from error
    return Parcel(envelope, base)
