"""A release's archive is fetched, and goes on where it was cut; nothing that is not what was signed is left."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tbft_artifacts.atomic import clear_disk_errors
from tbft_artifacts.bundle import file_entry
from tbft_artifacts.disk import disk_of
from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.regular import open_regular, pieces
from tbft_artifacts.rights import private_folder
from tbft_fleet.device.client import Client, Offer, why_not
from tbft_fleet.device.trusted import TARGETS

# How often a download that was cut goes on at once, as long as more comes each time.
_TRIES = 5


def fetch(client: Client, offer: Offer, folder: Path) -> Path:
    """The archive of an offer, in `folder`, verified. What is there of it already is not fetched again.

    `folder` is for nothing else: parts of other releases are removed from it.

    Raises TbftError for a release that is not for this device, a download that ends early (the next call goes on from
    there), content that is not what was signed, and a full disk.
    """
    reason = why_not(client, offer.release, offer.forgotten)
    if reason is not None:
        raise TbftError(f"release {offer.release.number} is not taken: {reason}", "what runs here goes on running")
    part, whole = folder / f"{offer.sha256}.part", folder / offer.name
    with clear_disk_errors(folder):
        private_folder(folder)
        for left in folder.iterdir():
            if left not in (part, whole):
                left.unlink()
        if _length(whole) == offer.bytes and file_entry(whole).sha256 == offer.sha256:
            return whole
        _check_space(offer, part)
        had_come = _length(part)
        while _downloaded(offer, part) != offer.sha256:
            part.unlink()
            if not had_come:
                raise TbftError(
                    f"nothing is taken from '{offer.carrier.shown}': '{offer.name}' is not what was signed, "
                    "its content changed",
                    "what runs here goes on running; copy it again",
                )
            # What came with an earlier call may have been something else.
            had_come = 0
        flush(part)
        part.replace(whole)
        flush(folder)
    return whole


def _check_space(offer: Offer, part: Path) -> None:
    """Before anything is written: a full disk starves everything else on a board."""
    disk, needed = disk_of(part.parent), offer.bytes - _length(part)
    if disk is not None and needed > disk.free:
        raise TbftError(
            f"no space left on the disk for '{offer.name}': {needed / 1e6:,.1f} MB are missing of it, "
            f"and {disk.free / 1e6:,.1f} MB are free",
            "free some space; what runs here goes on running",
        )


def _downloaded(offer: Offer, part: Path) -> str:
    """Append to `part` what is missing, in several goes where the connection is cut; the sha256 of all of it.

    More than was signed is never written.
    """
    failed: OSError | None = None
    with part.open("ab") as file:
        come = _Come(file, part)
        for _ in range(_TRIES):
            before = come.bytes
            if before >= offer.bytes:
                break
            failed = _go_on(offer, come)
            if failed is None or come.bytes <= before:
                break
    if come.bytes >= offer.bytes:
        return come.sha256
    if isinstance(failed, FileNotFoundError):
        raise TbftError(
            f"'{offer.carrier.shown}' is no whole repository of a fleet: '{offer.name}' is not there",
            "copy it again; what runs here goes on running",
        )
    why = "it ends early" if failed is None else failed.strerror or str(failed)
    raise TbftError(
        f"the download from '{offer.carrier.shown}' was cut at {come.bytes:,} of {offer.bytes:,} bytes ({why})",
        "do the same again: it goes on from there; a copy that is cut has to be copied again",
    )


class _Come:
    """What has come, and its hash: it is read again only where it came with an earlier call."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._digest, self.bytes = file, hashlib.sha256(), 0
        with open_regular(path) as before:
            for piece in pieces(before, file.tell()):
                self._count(piece)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def begin_anew(self) -> None:
        self._file.truncate(0)
        self._digest, self.bytes = hashlib.sha256(), 0

    def add(self, piece: bytes) -> None:
        self._file.write(piece)
        self._count(piece)

    def _count(self, piece: bytes) -> None:
        self._digest.update(piece)
        self.bytes += len(piece)


def _go_on(offer: Offer, come: _Come) -> OSError | None:
    """One go; returns what ended it early, if that was no end of the file."""
    try:
        start, arriving = _pieces(offer, come.bytes)
        if start != come.bytes:
            come.begin_anew()
        for piece in arriving:
            come.add(piece[: offer.bytes - come.bytes])
            if come.bytes >= offer.bytes:
                break
    except _CutError as cut:
        return cut.reason
    return None


class _CutError(Exception):
    """The carrier failed, and not the disk that is written to."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _pieces(offer: Offer, start: int) -> tuple[int, Iterator[bytes]]:
    try:
        begun, arriving = offer.carrier.pieces(f"{TARGETS}{offer.sha256}.{offer.name}", start)
    except OSError as error:
        raise _CutError(error) from error
    return begun, _arriving(arriving)


def _arriving(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except OSError as error:
        raise _CutError(error) from error


def _length(part: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return part.stat().st_size
    return 0
