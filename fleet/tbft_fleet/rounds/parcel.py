"""What Flower carries: a signed envelope and the tensors that belong to it, as bytes that it does not look into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tbft_artifacts.errors import TbftError
from tbft_fleet.rounds.flower import flower

# Of the record, and of a task's message; both are strings that Flower keeps.
_RECORD = "tbft-edge"
KIND = "train"


@dataclass(frozen=True)
class Parcel:
    """`envelope` is a DSSE envelope, `tensors` a `.safetensors` file; empty: there are none."""

    envelope: bytes
    tensors: bytes = b""

    @property
    def bytes(self) -> int:
        return len(self.envelope) + len(self.tensors)


def packed(parcel: Parcel) -> Any:
    """As Flower's RecordDict."""
    with flower():
        from flwr.app import ConfigRecord, RecordDict
    return RecordDict({_RECORD: ConfigRecord({"envelope": parcel.envelope, "tensors": parcel.tensors})})


def unpacked(content: Any) -> Parcel:
    """What a message holds. Raises TbftError for what `packed` does not make."""
    with flower():
        from flwr.app import RecordDict
    record = content.config_records.get(_RECORD) if isinstance(content, RecordDict) else None
    parts = [None, None] if record is None else [record.get(name) for name in ("envelope", "tensors")]
    match parts:
        case [bytes(envelope), bytes(tensors)]:
            return Parcel(envelope, tensors)
    raise TbftError("the message is none of tbft-edge's", "see what is connected to the SuperLink")
