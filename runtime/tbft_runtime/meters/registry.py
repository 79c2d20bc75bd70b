"""All meters, and how one is chosen by name."""

from __future__ import annotations

from tbft_runtime.board.access import Board
from tbft_runtime.meters.meter import Meter, MeterKind

# In the order in which `--meter auto` tries them. A new meter is a file and a line here.
METERS: tuple[MeterKind, ...] = ()


def choose(name: str, board: Board) -> tuple[Meter | None, str]:
    return None, "no meter"
