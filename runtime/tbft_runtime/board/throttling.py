"""What slows a Raspberry Pi down, from `vcgencmd get_throttled`."""

from __future__ import annotations

import re

from tbft_runtime.board.access import Board

# Raspberry Pi documentation, "get_throttled": what holds now, and 16 bits up what did since the board started.
_BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
_BEFORE = 16

Throttling = tuple[tuple[str, ...], tuple[str, ...]]


def throttling(board: Board) -> Throttling | None:
    """What holds now, and what did since the board started; None where the board cannot tell."""
    # Other answers, such as error=1 error_msg="…", look much alike.
    answer = re.fullmatch(r"throttled=0x([0-9a-f]+)", board.run(["vcgencmd", "get_throttled"]) or "")
    if answer is None:
        return None
    bits = int(answer[1], 16)
    return _names(bits), _names(bits >> _BEFORE)


def _names(bits: int) -> tuple[str, ...]:
    return tuple(name for bit, name in _BITS.items() if bits >> bit & 1)
