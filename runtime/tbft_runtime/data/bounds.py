"""How large a picture may be, told by its header before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from tbft_runtime.board.machine import available_memory, resident_memory

# Decoded, a picture of so many takes 360 MB.
MOST_PIXELS = 89_478_485
MOST_FILE_BYTES = 256 << 20
# Measured: the decoders' code and tables, and what they buffer of a file.
DECODER_BYTES = 4 << 20
# Loaded graphs alone take more afterwards: a budget without room for it is refused with the figures of training.
_ALWAYS = 20 << 20


@dataclass(frozen=True)
class Room:
    """Bytes that reading a picture may take beside what the process holds; `asked` if a memory budget says so."""

    bytes: int | None
    asked: bool = False

    def problem(self, needed: int) -> str:
        """Why that many bytes are too many; empty if they are not."""
        if self.bytes is None or needed <= self.bytes:
            return ""
        who = "`memory_budget` leaves" if self.asked else "of memory there are"
        return f"reading it takes {needed / 1e6:,.0f} MB, and {who} {self.bytes / 1e6:,.0f} MB"


def room(memory_budget: int | None) -> Room:
    """What there is now, for a process that may take `memory_budget` bytes, if there is such a bound."""
    available = available_memory()
    if memory_budget is None:
        return Room(available)
    left = max(_ALWAYS, memory_budget - resident_memory())
    return Room(left, asked=True) if available is None or left <= available else Room(available)


def too_many_pixels(width: int, height: int) -> str:
    """Why a picture is too large whatever there is of memory; empty if it is not."""
    if width * height <= MOST_PIXELS:
        return ""
    return f"{width:,} × {height:,} pixels are more than {MOST_PIXELS / 1e6:.0f} megapixels"
