"""What a release says of itself, signed as a target's custom fields in TUF metadata.

The Update Framework, targets' `custom`: https://theupdateframework.github.io/specification/latest/
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from tbft_artifacts.decode import MIB, decode, said
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import VERSION
from tbft_artifacts.minimum_runtime import check_runtime, installed_version
from tbft_artifacts.structs import Sha256, Some, Struct, Word
from tbft_fleet.files.gates import Gates
from tbft_fleet.files.names import Group

# Of all numbers (`Some`).
HIGHEST = 2**31 - 1
Version = Annotated[str, Meta(pattern=VERSION, max_length=64)]


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
    minimum_runtime: Version
    plan: Word | None = None
    gates: Gates = Gates()

    @property
    def target(self) -> str:
        """The name of its archive."""
        delta = "" if self.parent is None else f".delta-{self.parent[:12]}"
        return f"release-{self.number:06}{delta}.tar.gz"


class _Custom(msgspec.Struct, frozen=True):
    """What a target holds. The release is JSON inside a text: signed JSON has no numbers but whole ones."""

    release: str


class _Needs(msgspec.Struct, frozen=True):
    """What can be read of a release that was made for a version to come."""

    minimum_runtime: Version


class NewerRuntimeError(TbftError):
    """A release is for a newer version than this."""


def to_custom(release: Release) -> dict[str, str]:
    """As a target says it."""
    return {"release": msgspec.json.encode(release).decode()}


def from_custom(custom: object, target: str) -> Release:
    """The release that the target of that name says it is.

    Raises NewerRuntimeError for one that needs a newer version of this package, and TbftError for what is none.
    """
    failed, hint = f"'{target}' is no release that can be read", "release it again, on a host of this version"
    try:
        text = msgspec.convert(custom, _Custom).release
    except msgspec.ValidationError as error:
        raise TbftError(f"{failed}: {said(error)}", hint) from error
    needs = decode(text, _Needs, MIB, failed=failed, hint=hint)
    try:
        check_runtime(needs.minimum_runtime, installed_version(), Path(target))
    except TbftError as error:
        raise NewerRuntimeError(error.message, error.hint) from error
    release = decode(text, Release, MIB, failed=failed, hint=hint)
    if release.target != target:
        raise TbftError(f"{failed}: it says that it is '{release.target}'", hint)
    return release
