"""How a fleet is: what is gathered from its records, for a terminal, a page and programs alike."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["running", "behind", "rolled back", "silent", "no release", "revoked"]
Kind = Literal["gate", "drift", "throttling", "under-voltage", "disk", "clock", "silent", "expiry", "record", "group"]
# Of accuracies from 0 to 1: each bin is a tenth, and the last one includes 1.
BINS = 10


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person has to look at; `device` is None where it is about the host."""

    kind: Kind
    device: str | None
    words: str


class DeviceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A device; None is not known.

    `last_seen` is when its newest result was made, or came if its clock is wrong (ISO 8601). `release` is what it
    runs, `target` what it should; 0 is none. Accuracies (0 to 1) are on its own images: before and after its last
    training, or with the release before and this one. `drift` is a multiple of what is usual. Joules and the peak of
    memory are those of its last training, of `plan`. `signed`: what stands here is of a result whose signature fitted.
    """

    name: str
    group: str
    state: State
    last_seen: str | None
    release: int
    target: int
    accuracy_before: float | None
    accuracy_after: float | None
    drift: float | None
    plan: str | None
    joules: float | None
    joules_are_estimated: bool
    peak_memory_bytes: int | None
    celsius: float | None
    runtime: str | None
    board: str
    signed: bool
    why: str | None
    """What its last update was refused or rolled back for."""
    needs: tuple[Kind, ...]


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """What a device is right in, on its own images (0 to 1)."""

    device: str
    accuracy: float


class ReleaseStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a release gets on among the devices that its waves have come to, `reached` of `devices` of its groups.

    Of those `took` it and kept it, `failed` rolled it back or refused it, and the others did not tell yet.
    `accuracies` counts devices by tenths, lowest first, `mean` is over these, and `worst` are the five lowest.
    """

    number: int
    bundle_id: str
    groups: tuple[str, ...]
    percent: int
    plan: str | None
    devices: int
    reached: int
    took: int
    failed: int
    accuracies: tuple[int, ...]
    mean: float | None
    worst: tuple[Accuracy, ...]


class RoundStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Who took part in a round, and what it came to on their own images (0 to 1): each alone, and all with the merge.

    Both are means over those that told; None where none did. `late` has the names of `devices` that began with what
    was older, and by how many rounds; `missing` were asked, and are not among `devices`: silent, or refused. Each
    device was sent `bytes` of tensors and sent as many back, of the `model_bytes` of all weights; None: not known.
    """

    number: int
    release: int
    into: int | None
    plan: str
    rule: str
    made_at: str
    devices: tuple[str, ...]
    late: dict[str, int]
    missing: tuple[str, ...]
    images: int
    bytes: int | None
    model_bytes: int | None
    alone: float | None
    merged: float | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`counts` has how many devices are in which state; those to look at first come first in `devices`."""

    at: str
    silent_after_hours: float
    counts: dict[State, int]
    needs: tuple[Need, ...]
    devices: tuple[DeviceStatus, ...]
    releases: tuple[ReleaseStatus, ...]
    rounds: tuple[RoundStatus, ...]
