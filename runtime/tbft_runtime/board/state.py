"""What belongs beside every number: which board it was, and in which state."""

from __future__ import annotations

import msgspec

from tbft_artifacts.structs import Measured

# Other processes that keep so many cores busy change what is measured.
BUSY_CORES = 0.25


class BoardIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of boards with different identities are not compared. `key` hashes everything that matters."""

    model: str
    machine: str
    cores: int
    memory_bytes: int | None
    key: str


class BoardState(msgspec.Struct, frozen=True, kw_only=True):
    """The board at a moment; None where it does not say.

    `throttled` are the names of what slows it down now, `throttled_before` of what did since it started;
    None where the board cannot tell. `other_load` is how many cores other processes kept busy.
    """

    celsius: Measured | None
    megahertz: Measured | None
    governor: str | None
    throttled: tuple[str, ...] | None
    throttled_before: tuple[str, ...] | None
    other_load: Measured | None
    available_bytes: int | None


class BoardSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The board during a run: before it, after it, and the extremes between.

    `throttled`: what slowed it down at any time of the run, also between two looks where the board
    remembers; None where it cannot tell. `other_load`: mean number of cores that other processes kept busy.
    """

    identity: BoardIdentity
    before: BoardState
    after: BoardState
    hottest_celsius: Measured | None
    slowest_megahertz: Measured | None
    fastest_megahertz: Measured | None
    throttled: tuple[str, ...] | None
    other_load: Measured | None
