"""What a device has to tell, signed, until a carrier took it to the host."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tbft_artifacts.atomic import atomic_folder, clear_disk_errors
from tbft_artifacts.errors import TbftError
from tbft_artifacts.rights import private_folder
from tbft_artifacts.temporary import remove_older
from tbft_fleet.device.place import Place
from tbft_fleet.files.result import (
    ENVELOPE,
    MOST_BYTES,
    NO_BUNDLE,
    Health,
    Result,
    Training,
    Update,
    folder_name,
)
from tbft_fleet.files.signed import signed_result

# Of a device that nobody comes to the newest ones matter, and its disk is small.
MOST_RESULTS = 64
MOST_WAITING_BYTES = 512 << 20


def put(
    place: Place,
    health: Health,
    *,
    task: str | None = None,
    update: Update | None = None,
    training: Training | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Sign a result, and put it into the outbox with the `files` that belong to it; where it lies.

    `task` is the id of what was asked.

    It appears whole, or not at all, and its number is one that no result had before. If more wait than the outbox may
    hold, the oldest are given up.

    Raises TbftError for a full disk, a key that is gone, and for files of more bytes than a host takes.
    """
    files = files or {}
    size = sum(map(len, files.values()))
    if size > MOST_BYTES:
        raise TbftError(
            f"{' and '.join(files)} have {size:,} bytes, more than a result may carry",
            "train a smaller part of the network",
        )
    number = place.current()
    release = place.release(number)
    result = Result(
        device=place.id,
        counter=place.next_counter(),
        nonce=secrets.token_hex(16),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        release=number if release else 0,
        bundle_id=release.bundle_id if release else NO_BUNDLE,
        task=task,
        health=health,
        update=update,
        training=training,
    )
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    envelope = signed_result(result, digests, place.signer())
    with clear_disk_errors(place.outbox):
        private_folder(place.outbox)
        _clear(place.outbox)
    folder = place.outbox / folder_name(result.counter)
    with atomic_folder(folder) as temporary:
        for name, content in files.items():
            (temporary / name).write_bytes(content)
        (temporary / ENVELOPE).write_bytes(envelope)
    _give_up_oldest(place.outbox)
    return folder


def waiting(outbox: Path) -> list[Path]:
    """The results that lie there, oldest first."""
    with contextlib.suppress(FileNotFoundError):
        return sorted((path for path in outbox.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))
    return []


def _clear(outbox: Path) -> None:
    """What killed processes left unfinished, each under a number that nothing gets again."""
    for path in outbox.glob(".*.tmp"):
        remove_older(outbox / path.name[1:].partition(".")[0])


def _give_up_oldest(outbox: Path) -> None:
    size = 0
    for kept, path in enumerate(reversed(waiting(outbox))):
        with contextlib.suppress(OSError):
            size += sum(file.stat().st_size for file in path.iterdir())
        if kept and (kept >= MOST_RESULTS or size > MOST_WAITING_BYTES):
            shutil.rmtree(path, ignore_errors=True)
