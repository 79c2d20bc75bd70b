"""What a device tells of itself, signed with its own key: the predicate of an in-toto statement about its files."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from tbft_artifacts.structs import Count, Large, Measured, Part, Sha256, Some, Struct, Word
from tbft_fleet.files.names import DeviceId

PREDICATE_TYPE = "tbft-edge:result:v1"
Nonce = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Outcome = Literal["committed", "rolled back", "refused"]


class Update(Struct, frozen=True, kw_only=True):
    """How a device got on with a release; `why` is None where it committed."""

    release: Some
    outcome: Outcome
    why: Word | None = None


class Training(Struct, frozen=True, kw_only=True):
    """A run of `plan` on so many of the device's `images`; accuracies (0 to 1) are of its own held-out ones."""

    plan: Word
    images: Count
    accuracy_before: Part | None = None
    accuracy_after: Part | None = None
    joules: Measured | None = None
    seconds: Measured | None = None
    peak_memory_bytes: Large | None = None


class Health(Struct, frozen=True, kw_only=True):
    """The board and its model now; None is not known.

    `accuracy` is on the device's own labelled images, `drift` how far their statistics are from normal, as a multiple
    of what is usual (1 is the limit).
    """

    runtime: Word
    accuracy: Part | None = None
    drift: Measured | None = None
    celsius: Measured | None = None
    throttled: bool | None = None
    under_voltage: bool | None = None
    memory_bytes: Large | None = None
    disk_free_bytes: Large | None = None
    disk_bytes: Large | None = None
    clock_is_known: bool = True
    labels_wanted: Count = 0


class Result(Struct, frozen=True, kw_only=True):
    """`counter` goes up with every result of a device, `nonce` is new for each; `task` is what was asked, if anything.

    `release` and `bundle_id` are what it runs; the bundle of a device that took no release yet has the number 0.
    """

    device: DeviceId
    counter: Large
    nonce: Nonce
    made_at: Word
    release: Count
    bundle_id: Sha256
    task: Word | None = None
    health: Health
    update: Update | None = None
    training: Training | None = None
