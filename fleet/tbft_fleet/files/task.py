"""What a host asks of devices in a round, signed by the fleet: the predicate of an in-toto statement on the base."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from tbft_artifacts.structs import Sha256, Some, Struct, Word
from tbft_fleet.files.names import Group

PREDICATE_TYPE = "tbft-edge:task:v1"
# The tensors to begin with, where those are not the bundle's own: the one file that the statement may name.
BASE = "base.safetensors"
TaskId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
# Whoever stole the key that signs tasks must not keep a fleet at work for weeks.
LocalEpochs = Annotated[int, Meta(ge=1, le=1000)]
Patience = Annotated[int, Meta(ge=10, le=7 * 24 * 3600)]


class Task(Struct, frozen=True, kw_only=True):
    """Train `plan` of the bundle for so many `epochs` on the device's own images, and send what came of it.

    `number` goes up with every task of a fleet: a device takes none that is not above the last it took. `seconds` are
    how long the host waits. Devices of other `groups` (none: all) do not take it, and nobody does after `expires`: one
    that was recorded is not given to devices that slept meanwhile.
    """

    id: TaskId
    number: Some
    bundle_id: Sha256
    plan: Word
    epochs: LocalEpochs
    seconds: Patience
    groups: Annotated[tuple[Group, ...], Meta(max_length=1000)] = ()
    expires: Annotated[datetime, Meta(tz=True)] | None = None
