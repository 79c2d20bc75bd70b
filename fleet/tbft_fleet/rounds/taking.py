"""What a host makes of an answer: a result like any other, accepted or refused, and a part of a merge."""

from __future__ import annotations

from dataclasses import dataclass

from safetensors.numpy import load

from tbft_artifacts.decode import decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.rights import private_folder
from tbft_artifacts.signing.envelope import LIMIT, verify_by
from tbft_artifacts.temporary_folder import temporary_folder
from tbft_fleet.files.result import ENVELOPE, WEIGHTS, Result, folder_name
from tbft_fleet.files.task import Task
from tbft_fleet.host.enrolling import key_of
from tbft_fleet.host.inbox import Inbox
from tbft_fleet.merging.part import Part, check_parts
from tbft_fleet.rounds.parcel import Parcel
from tbft_fleet.rounds.trained import Trained

_DISTRUST = "look at that device"


@dataclass(frozen=True)
class Taken:
    """An accepted result, and what it gives to a merge."""

    result: Result
    part: Part


def take(inbox: Inbox, device: str, task: Task, parcel: Parcel, trained: Trained, at: str) -> Taken:
    """Let the inbox accept what `device` answered to a task, at the time `at` (ISO 8601).

    Raises TbftError, in one line, for whatever the inbox refuses, for the answer to another task or of another bundle,
    and for tensors that are not what all train. An accepted result stays so, also where it cannot be merged.
    """
    result = _peeked(inbox, device, parcel)
    if result.task != task.id:
        raise TbftError(f"'{device}' answered another task", _DISTRUST)
    # Such as one that took another release while it trained.
    if result.bundle_id != task.bundle_id:
        raise TbftError(
            f"'{device}' answered of bundle {result.bundle_id[:12]}, and the task is for {task.bundle_id[:12]}",
            "the next round asks again",
        )
    with temporary_folder() as temporary, inbox.devices.held():
        folder = temporary / device / folder_name(result.counter)
        private_folder(folder)
        (folder / ENVELOPE).write_bytes(parcel.envelope)
        (folder / WEIGHTS).write_bytes(parcel.tensors)
        try:
            inbox.accept(folder, at)
        except TbftError as error:
            raise TbftError(f"'{device}': {error.message}", error.hint) from error
    part = Part(
        device=device,
        tensors=load(parcel.tensors),
        base=trained.base,
        images=0 if result.training is None else result.training.images,
    )
    check_parts([part], trained.names, trained.norms)
    return Taken(result, part)


def _peeked(inbox: Inbox, device: str, parcel: Parcel) -> Result:
    """What the device signed: its number decides where it lies."""
    statement = verify_by(parcel.envelope, lambda _: [key_of(inbox.devices.need(device))], f"the answer of '{device}'")
    failed = f"the answer of '{device}' cannot be read"
    result = decode(bytes(statement.predicate), Result, LIMIT, failed=failed, hint=_DISTRUST)
    if result.device != device:
        raise TbftError(f"'{device}' answered in the name of '{result.device}'", _DISTRUST)
    return result
