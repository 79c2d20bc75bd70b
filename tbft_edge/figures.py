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
