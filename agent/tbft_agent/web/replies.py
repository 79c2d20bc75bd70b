"""What the endpoint answers to what it is told."""

from __future__ import annotations

import msgspec


class Labelled(msgspec.Struct, frozen=True):
    """What is known of an image now."""

    digest: str
    label: str | None


class Paused(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether nothing is trained: told, and answered."""

    paused: bool


class Began(msgspec.Struct, frozen=True):
    """What the agent is at now."""

    state: str


class Accepted(msgspec.Struct, frozen=True):
    """Which version answers now, and what the agent is at."""

    version: int
    state: str


class RolledBack(msgspec.Struct, frozen=True):
    """Which version answers now."""

    version: int


class Purged(msgspec.Struct, frozen=True):
    """How many images were forgotten."""

    images: int
