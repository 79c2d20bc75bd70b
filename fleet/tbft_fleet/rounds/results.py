"""The newest training of each device among the results that a fleet took."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most, unreadable
from tbft_artifacts.signing.envelope import LIMIT, taken
from tbft_artifacts.signing.statement import Statement
from tbft_fleet.files.result import ENVELOPE, WEIGHTS, Result, Training
from tbft_fleet.host.inbox import result_of

_RESTORE = "restore it from a copy"


@dataclass(frozen=True)
class Told:
    """A training that a device told of, and where its weights lie."""

    result: Result
    training: Training
    weights: Path


def newest_training(folder: Path, release: int, plan: str | None) -> Told | None:
    """The newest one among the results of a device in `folder`, that is of no later release, and of `plan` if given.

    Raises TbftError for a result that is damaged.
    """
    for place in _newest_first(folder):
        if not (place / WEIGHTS).exists():
            continue
        statement = _statement(place / ENVELOPE)
        result = result_of(statement)
        training = result.training
        if training is None or result.release > release or plan not in (None, training.plan):
            continue
        _check(place / WEIGHTS, statement)
        return Told(result, training, place / WEIGHTS)
    return None


def _newest_first(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        names = [path for path in folder.iterdir() if path.name.isdecimal()]
        yield from sorted(names, key=lambda path: int(path.name), reverse=True)


def _statement(path: Path) -> Statement:
    try:
        return taken(read_at_most(path, LIMIT), f"'{path}'")
    except OSError as error:
        raise unreadable(path, error) from error


def _check(weights: Path, statement: Statement) -> None:
    """A disk may lose what was whole when it was taken."""
    signed = {subject.name: subject.digest.sha256 for subject in statement.subject}
    try:
        with weights.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(weights, error) from error
    if found != signed.get(WEIGHTS):
        raise TbftError(f"'{weights}' is not what was signed: its content changed", _RESTORE)
