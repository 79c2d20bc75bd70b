"""Figures in words, with their units; a missing one is a dash."""

from __future__ import annotations

import math
from datetime import datetime

DASH = "–"
UNAVAILABLE = "unavailable"
_DIGITS = 3
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def significant(value: float | None, unit: str = "") -> str:
    """Three digits that matter, never fewer than stand before the decimal point: for columns of one unit."""
    if value is None or not math.isfinite(value):
        return DASH
    before_point = math.floor(math.log10(abs(value))) + 1 if value else 1
    return f"{value:,.{max(0, _DIGITS - before_point)}f} {unit}".rstrip()


def estimated(figure: str, estimate: bool) -> str:
    """`figure` marked as an estimate if it is one."""
    return f"{figure} est." if estimate and figure not in (DASH, UNAVAILABLE) else figure


def percent(fraction: float | None) -> str:
    """A fraction as per cent, or a dash."""
    return DASH if fraction is None else f"{fraction:.1%}"


def size(count: float) -> str:
    """Bytes in a readable unit (1 kB = 1000 bytes)."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def seconds(value: float | None) -> str:
    """`0.85 s`, `20.0 s`, `3 min 05 s`, `2 h 04 min`."""
    if value is None:
        return DASH
    if value < 99.95:
        return f"{_three_digits(value)} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 100:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def milliseconds(value: float | None) -> str:
    """`0.42 ms`, `31.0 ms`, `1.25 s`."""
    if value is None:
        return DASH
    return f"{_three_digits(value)} ms" if value < 999.5 else seconds(value / 1000)


def joules(value: float | None) -> str:
    """`0.50 J`, `98.4 J`, `12.3 kJ`."""
    return _scaled(value, "J")


def watts(value: float | None) -> str:
    """`5.02 W`."""
    return _scaled(value, "W")


def hertz(value: float | None) -> str:
    """`1.90 Hz`."""
    return _scaled(value, "Hz")


def celsius(value: float | None) -> str:
    """`48.2 °C`."""
    return DASH if value is None else f"{value:.1f} °C"


def megahertz(value: float | None) -> str:
    """`2400 MHz`."""
    return DASH if value is None else f"{value:.0f} MHz"


def points(value: float | None) -> str:
    """Percentage points with their sign."""
    return DASH if value is None else f"{value:+.1f} points"


def loss(value: float | None) -> str:
    """`0.6012`, `1.2e+09`."""
    if value is None:
        return DASH
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.3g}"


def short(value: float) -> str:
    """The figure beside an axis: `0.5`, `2400`, `25k`, `1e+12`."""
    if abs(value) < 1e4 or abs(value) >= 1e12:
        return f"{value:.4g}"
    factor, prefix = next((f, p) for f, p in _PREFIXES if abs(value) >= f)
    return f"{value / factor:.4g}{prefix}"


def count(value: int, noun: str) -> str:
    """`1 image`, `2,000 images`."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{value:,} {noun if value == 1 else plural}"


def moment(label: str) -> str:
    """`2026-11-22 10:00 UTC` of a time in ISO 8601; another text stays as it is."""
    try:
        return f"{datetime.fromisoformat(label):%Y-%m-%d %H:%M %Z}".rstrip()
    except ValueError:
        return label


def _scaled(value: float | None, unit: str) -> str:
    if value is None:
        return DASH
    factor, prefix = next(((f, p) for f, p in _PREFIXES if abs(value) >= 0.9995 * f), (1.0, ""))
    return f"{_three_digits(value / factor)} {prefix}{unit}"


def _three_digits(value: float) -> str:
    size_ = abs(value)
    return f"{value:.2f}" if size_ < 9.995 else f"{value:.1f}" if size_ < 99.95 else f"{value:,.0f}"


def norms(policy: str, part: int | None) -> str:
    """What batch norms do while training: with statistics of parts of a batch, of how many images or more."""
    return policy if part is None else f"{policy}, parts of {part}"
