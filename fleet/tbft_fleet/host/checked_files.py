"""The files of a result: taken as they were signed, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import close_quietly, pieces
from tbft_artifacts.signing.envelope import LIMIT
from tbft_artifacts.signing.statement import Subject
from tbft_fleet.files.result import ENVELOPE, FILE_NAME, MOST_BYTES, MOST_FILES

_DISTRUST = "do not trust it, and look at the device that it came from"


def read_envelope(folder: Path) -> bytes:
    """The content of a result's envelope, in a folder that a stranger filled. Raises TbftError if it has none."""
    try:
        with _open(folder / ENVELOPE) as file:
            return file.read(LIMIT + 1)
    except OSError as error:
        raise TbftError(f"its {ENVELOPE} cannot be read ({error.strerror})", "copy it again") from error


def check_names(folder: Path, subjects: tuple[Subject, ...]) -> Mapping[str, str]:
    """The sha256 of each file by its name. Raises TbftError unless the folder holds these files, and nothing else."""
    listed = {subject.name: subject.digest.sha256 for subject in subjects}
    if len(listed) < len(subjects) or len(listed) > MOST_FILES:
        raise TbftError(f"it lists a file twice, or more than {MOST_FILES}", _DISTRUST)
    for name in listed:
        if not re.fullmatch(FILE_NAME, name) or name == ENVELOPE:
            raise TbftError(f"it lists {name!r}, which is no name of a file of results", _DISTRUST)
    try:
        with os.scandir(folder) as entries:
            # Of a folder that holds a million files the first ones tell enough.
            some = islice(entries, 2 * MOST_FILES)
            found = {entry.name: entry.is_file(follow_symlinks=False) for entry in some}
    except OSError as error:
        raise TbftError(f"it cannot be read ({error.strerror})", "copy it again") from error
    for name, is_file in found.items():
        if not is_file:
            raise TbftError(f"'{name}' in it is a link, or else no file", _DISTRUST)
        if name not in listed and name != ENVELOPE:
            raise TbftError(f"'{name}' in it is no file that was signed", _DISTRUST)
    missing = listed.keys() - found.keys()
    if missing:
        raise TbftError(f"it lacks '{min(missing)}'", "copy it again")
    return listed


def take(source: Path, target: Path, sha256: str, most: int) -> int:
    """Copy a file of `most` bytes at most; its size.

    Raises TbftError if it is larger, or not what was signed; then nobody may look at the copy.

    What was not copied cannot change any more between the check and whatever reads it.
    """
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as copy:
        for piece in _arriving(source, most):
            digest.update(piece)
            size += len(piece)
            copy.write(piece)
    if size > most:
        raise TbftError(f"'{source.name}' in it, with its other files, has more than {MOST_BYTES >> 20} MiB", _DISTRUST)
    if digest.hexdigest() != sha256:
        raise TbftError(f"'{source.name}' in it is not what was signed: its content changed", "copy it again")
    return size


def _arriving(source: Path, most: int) -> Iterator[bytes]:
    """The pieces of a file. Of a stick that breaks, or is pulled, the other results may be read before or after."""
    try:
        with _open(source) as file:
            yield from pieces(file, most)
    except OSError as error:
        raise TbftError(f"'{source.name}' in it cannot be read ({error.strerror})", "copy it again") from error


def _open(path: Path) -> BinaryIO:
    """Open a regular file, and no link to one. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        close_quietly(descriptor)
        raise
