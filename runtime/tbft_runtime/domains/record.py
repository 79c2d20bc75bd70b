"""What a bank says of itself: where its bundle is, and its domains."""

from __future__ import annotations

import msgspec

from tbft_artifacts.stamp import UNSTAMPED
from tbft_artifacts.structs import Part, Place, Sha256, Some, Word

FORMAT = 1
# The domain of the images that the network was trained on, which is in every bank: the bundle as it came, or a run that
# is to take its place.
SOURCE = "source"


class DomainRecord(msgspec.Struct, frozen=True):
    """A domain: its name, the plan whose graph answers, how many images told what it looks like.

    `accuracy` (0 to 1) is that of its run on its validation images, None where none has a label.
    """

    name: Word
    plan: Word
    images: Some
    accuracy: Part | None


class BankRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata of a bank's file; the sha256, of the whole file, stands first."""

    sha256: str = UNSTAMPED
    format: int = FORMAT
    bundle: Place
    bundle_id: Sha256
    domains: tuple[DomainRecord, ...]


class DomainSummary(msgspec.Struct, frozen=True):
    """A domain as it is listed; `bytes` are those of its tensors."""

    name: str
    plan: str
    images: int
    accuracy: float | None
    bytes: int


class BankSummary(msgspec.Struct, frozen=True):
    """A bank as it is listed: where it and its bundle are, and its domains beside the bundle as it came."""

    bank: str
    bundle: str
    bundle_id: str
    domains: tuple[DomainSummary, ...]
