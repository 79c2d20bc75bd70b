"""What a release says of itself, signed as a target's custom fields in TUF metadata.

The Update Framework, targets' `custom`: https://theupdateframework.github.io/specification/latest/
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from tbft_artifacts.manifest import VERSION
from tbft_artifacts.structs import Sha256, Some, Struct, Word
from tbft_fleet.files.gates import Gates
from tbft_fleet.files.names import Group


class Release(Struct, frozen=True, kw_only=True):
    """One of `groups`, for the share `percent` of their devices; `number` counts up with every release of a fleet.

    `parent` is the bundle that a delta has to be laid over; None of a whole one. `plan` is the one that devices train
    of it by themselves; None where they choose.
    """

    number: Some
    bundle_id: Sha256
    parent: Sha256 | None = None
    groups: Annotated[tuple[Group, ...], Meta(min_length=1, max_length=1000)]
    percent: Annotated[int, Meta(ge=0, le=100)] = 100
    minimum_runtime: Annotated[str, Meta(pattern=VERSION, max_length=64)]
    plan: Word | None = None
    gates: Gates = Gates()
