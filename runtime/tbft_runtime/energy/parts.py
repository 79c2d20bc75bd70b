"""A run in parts, one for each process that worked on it, and what all of them together say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from tbft_artifacts.structs import Seconds
from tbft_runtime.board.state import BoardIdentity, BoardSummary
from tbft_runtime.energy.result import MeteringCost
from tbft_runtime.energy.total import share
from tbft_runtime.meters.meter import Source


class RunPart(msgspec.Struct, frozen=True, kw_only=True):
    """How the board was in one process of a run, how long that took, and for how long a core measured (seconds).

    `source` is what its joules came from; None without a meter.
    """

    seconds: Seconds
    metering_seconds: Seconds
    source: Source | None
    board: BoardSummary


def whole_board(parts: Sequence[RunPart]) -> BoardSummary:
    """The board in all parts (one or more): what slowed it down in any of them slowed down the run."""
    boards = [part.board for part in parts]
    throttled = [board.throttled for board in boards]
    names = tuple(sorted({name for known in throttled for name in known or ()}))
    loads = [(part.seconds, part.board.other_load) for part in parts if part.board.other_load is not None]
    measured = sum(seconds for seconds, _ in loads)
    return BoardSummary(
        identity=_identity([board.identity for board in boards]),
        before=boards[0].before,
        after=boards[-1].after,
        hottest_celsius=_extreme(max, (board.hottest_celsius for board in boards)),
        slowest_megahertz=_extreme(min, (board.slowest_megahertz for board in boards)),
        fastest_megahertz=_extreme(max, (board.fastest_megahertz for board in boards)),
        throttled=None if None in throttled and not names else names,
        other_load=sum(seconds * load for seconds, load in loads) / measured if measured else None,
    )


def whole_cost(parts: Sequence[RunPart]) -> MeteringCost:
    """What measuring took in all parts (one or more)."""
    cpu_seconds = sum(part.metering_seconds for part in parts)
    return MeteringCost(cpu_seconds=cpu_seconds, share=share(cpu_seconds, sum(part.seconds for part in parts)))


def _identity(boards: Sequence[BoardIdentity]) -> BoardIdentity:
    """That of the last part; a run that moved from board to board is comparable only to one that moved likewise."""
    keys = list(dict.fromkeys(board.key for board in boards))
    if len(keys) == 1:
        return boards[-1]
    models = " then ".join(dict.fromkeys(board.model for board in boards))
    return replace(boards[-1], model=models, key=hashlib.sha256(repr(keys).encode()).hexdigest()[: len(keys[0])])


def _extreme(choose: Callable[[Iterable[float]], float], values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return choose(known) if known else None
