"""Tasks as the fleet signs them, and as devices take them: looked at only once a trusted key's signature fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Raw, json

from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.envelope import sign, verify
from tbft_artifacts.signing.statement import Digest, Statement, Subject
from tbft_fleet.files.task import BASE, PREDICATE_TYPE, Task
from tbft_fleet.rounds.parcel import Parcel

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

_DISTRUST = "do not trust what sent it"


@dataclass(frozen=True)
class Asked:
    """A task that the fleet signed with the key `key` (its id), and the tensors to begin with (a `.safetensors` file).

    None: the bundle's own.
    """

    task: Task
    base: bytes | None
    key: str


def signed_task(task: Task, base: bytes | None, signer: CryptoSigner) -> Parcel:
    """A task with the tensors that it begins with."""
    subject = () if base is None else (Subject(BASE, Digest(sha256(base).hexdigest())),)
    statement = Statement(subject=subject, predicate_type=PREDICATE_TYPE, predicate=Raw(json.encode(task)))
    return Parcel(sign(statement, signer), base or b"")


def verify_task(parcel: Parcel, keys: Sequence[SSlibKey]) -> Asked:
    """The task in a parcel.

    Raises TbftError if none of `keys` signed it, it is no task, or its tensors are others than those that it names.
    """
    statement, key = verify(parcel.envelope, keys, "the task")
    if statement.predicate_type != PREDICATE_TYPE:
        raise TbftError("what the fleet signed is no task", _DISTRUST)
    task = decode(bytes(statement.predicate), Task, MIB, failed="the task cannot be read", hint=_DISTRUST)
    named = {subject.name: subject.digest.sha256 for subject in statement.subject}
    if not named and not parcel.tensors:
        return Asked(task, None, key)
    if named != {BASE: sha256(parcel.tensors).hexdigest()}:
        raise TbftError("the tensors that came with the task are not those that it names", _DISTRUST)
    return Asked(task, parcel.tensors, key)
