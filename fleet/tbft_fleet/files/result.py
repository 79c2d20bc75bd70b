"""What a device tells of itself, signed with its own key: the predicate of an in-toto statement about its files."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from tbft_artifacts.structs import Count, Large, Measured, Part, Sha256, Some, Struct, Word
from tbft_fleet.files.names import DeviceId

PREDICATE_TYPE = "tbft-edge:result:v1"
# The envelope, in a folder that is named by the counter and holds the files that it lists, and nothing else.
ENVELOPE = "result.dsse.json"
# Of a training: the tensors that it changed, named and shaped as in the bundle that it began with.
WEIGHTS = "weights.safetensors"
FILE_NAME = r"[a-z0-9][a-z0-9._-]{0,99}"
MOST_FILES = 32
MOST_BYTES = 256 << 20
# What a device runs that took no release yet.
NO_BUNDLE = "0" * 64
Nonce = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Outcome = Literal["committed", "rolled back", "refused"]
# Why a release went back whose gates nobody failed: what the host did itself is no news to it.
WITHDRAWN = "the host withdrew it while it was on trial"


class Update(Struct, frozen=True, kw_only=True):
    """How a device got on with a release; `why` is None where it committed."""

    release: Some
    outcome: Outcome
    why: Word | None = None


class Training(Struct, frozen=True, kw_only=True):
    """A run of `plan` on so many of the device's `images`; accuracies (0 to 1) are of its own held-out ones.

    It began with tensors whose file has the sha256 `base`, or with the release's own. `joules_are_estimated`: no meter
    measured them.
    """

    plan: Word
    images: Count
    base: Sha256 | None = None
    accuracy_before: Part | None = None
    accuracy_after: Part | None = None
    joules: Measured | None = None
    joules_are_estimated: bool = False
    seconds: Measured | None = None
    peak_memory_bytes: Large | None = None


class Health(Struct, frozen=True, kw_only=True):
    """The board and its model now; None is not known.

    `accuracy` is on the device's own labelled images, `drift` how far their statistics are from normal, as a multiple
    of what is usual (1 is the limit). `throttled` is about now, `under_voltage` about any time since the board started:
    it is short, and a power supply does not mend itself. `memory_bytes` is what is left.
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

    `release` and `bundle_id` are what it runs, 0 and `NO_BUNDLE` of a device that took no release yet.
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


def folder_name(counter: int) -> str:
    """Of the result with that number."""
    return f"{counter:06}"
