"""The board while a run trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.fact import Fact, Group
from tbft_edge.figures import UNAVAILABLE, celsius, count, megahertz, size

if TYPE_CHECKING:
    from tbft_runtime.board.state import BoardIdentity, BoardSummary


def during_run(found: BoardSummary) -> Group:
    """Which board, and the extremes of its state."""
    identity = found.identity
    hottest = UNAVAILABLE if found.hottest_celsius is None else f"{celsius(found.hottest_celsius)} at most"
    return Group(
        "Board during the run",
        (
            model(identity),
            Fact("machine", f"{identity.machine or 'unknown'}, {count(identity.cores, 'core')}"),
            Fact("memory", UNAVAILABLE if identity.memory_bytes is None else size(identity.memory_bytes)),
            Fact("temperature", hottest),
            Fact("clock", _clock(found)),
            Fact("throttled", throttled(found.throttled)),
            Fact("other processes", load(found.other_load)),
        ),
    )


def model(identity: BoardIdentity) -> Fact:
    """Which board."""
    return Fact("board", identity.model or "unknown board")


def throttled(names: tuple[str, ...] | None) -> str:
    """What slowed it down."""
    return "the board does not say" if names is None else ", ".join(names) or "no"


def load(cores: float | None) -> str:
    """How many cores other processes kept busy."""
    return UNAVAILABLE if cores is None else f"{cores:.2f} cores busy"


def _clock(found: BoardSummary) -> str:
    if found.slowest_megahertz is None or found.fastest_megahertz is None:
        return UNAVAILABLE
    return f"{found.slowest_megahertz:.0f} to {megahertz(found.fastest_megahertz)}"
