"""A round: what several devices learned, merged into what all of them get next."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from tbft_artifacts.structs import Count, Large, Measured, Part, Sha256, Some, Struct, Word
from tbft_fleet.files.names import DeviceId

# So many devices that one host merges what they learned.
_MOST = 100_000
# Running statistics of batch norms in a merge: one for all; each device keeps its own; those that all began with.
NormsPolicy = Literal["merge", "local", "frozen"]


PREDICATE_TYPE = "tbft-edge:merge:v1"
# The files of a merge: what its signature is of, the signature, and what is noted later.
TENSORS, RECORD, ENVELOPE, BROUGHT = "merge.safetensors", "round.json", "merge.dsse.json", "brought.json"


class Made(Struct, frozen=True, kw_only=True):
    """What is signed of a merge beside its files: its number, and the release and bundle whose weights it changes."""

    number: Some
    release: Some
    bundle_id: Sha256


class Brought(Struct, frozen=True):
    """The release that brings a merge to all."""

    into: Some


class TookPart(Struct, frozen=True, kw_only=True):
    """The result `counter` of a device, which learned from `images`; it came `age` rounds late.

    `accuracy` (0 to 1) is what the device came to alone, on its own images, and `kept` (0 to 1) which part of its
    update counted.
    """

    device: DeviceId
    counter: Large
    images: Count
    age: Count = 0
    accuracy: Part | None = None
    kept: Part = 1.0


class Round(Struct, frozen=True, kw_only=True):
    """What devices learned of `plan` in `release` was merged by `rule`; `into` is the release that brings it to all.

    `norms` is what became of statistics of batch norms (None: not noted).

    Of a round that a host held: whom it `asked`, the `seconds` that it took, the `bytes` of tensors that each device
    was sent and sent back, and those of all weights, `model_bytes`.
    """

    number: Some
    release: Some
    plan: Word
    rule: Word
    norms: NormsPolicy | None = None
    made_at: Word
    into: Some | None = None
    parts: Annotated[tuple[TookPart, ...], Meta(max_length=_MOST)]
    asked: Annotated[tuple[DeviceId, ...], Meta(max_length=_MOST)] = ()
    seconds: Measured | None = None
    bytes: Large | None = None
    model_bytes: Large | None = None
