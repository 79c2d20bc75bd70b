"""Figures in words: three digits that matter, a dash where there is none, and `est.` behind what was estimated."""

from __future__ import annotations

import math

DASH = "–"
_DIGITS = 3


def significant(value: float | None, unit: str = "") -> str:
    """A number with three significant digits, never fewer than stand before its decimal point."""
    if value is None or not math.isfinite(value):
        return DASH
    before_point = math.floor(math.log10(abs(value))) + 1 if value else 1
    return f"{value:,.{max(0, _DIGITS - before_point)}f} {unit}".rstrip()


def partial(figure: str, covered: float) -> str:
    """`figure` with the part of the run that it is of, where the meter covered too little of it."""
    from tbft_runtime.reporting.caveats import COVERED

    return f"{figure} ({covered:.0%} covered)" if covered < COVERED and figure != DASH else figure


def estimated(figure: str, estimate: bool) -> str:
    """`figure` marked as an estimate if it is one."""
    return f"{figure} est." if estimate and figure != DASH else figure


def percent(fraction: float | None) -> str:
    """A fraction as per cent, or a dash."""
    return "–" if fraction is None else f"{fraction:.1%}"


def size(count: float) -> str:
    """Bytes in a readable unit (1 kB = 1000 bytes)."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
