"""Colours keep their contrast, by the formula of WCAG 2."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tbft_edge.pages.palette import DARK, HEATS, LIGHT, SERIES
from tbft_edge.pages.style import style_sheet

BOTH = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@BOTH
def test_text_can_be_read(palette: Mapping[str, str]) -> None:
    for ink in ("ink", "soft", "warn", "accent"):
        for behind in ("page", "surface"):
            assert contrast(palette[ink], palette[behind]) >= 4.5
    assert contrast(palette["warn"], palette["warned"]) >= 4.5
    assert contrast(palette["ink"], palette["warned"]) >= 4.5
    assert contrast(palette["ink"], palette["h1"]) >= 4.5  # A trained block's name.
    for level in range(HEATS):
        assert contrast(palette[f"t{level}"], palette[f"h{level}"]) >= 4.5


@BOTH
def test_lines_and_areas_can_be_seen(palette: Mapping[str, str]) -> None:
    for name in ("edge", *(f"c{series}" for series in range(SERIES))):
        assert contrast(palette[name], palette["surface"]) >= 3


@BOTH
def test_shades_rise_evenly(palette: Mapping[str, str]) -> None:
    """So that a darker cell means more, also to those who see no colours."""
    shades = [luminance(palette[f"h{level}"]) for level in range(HEATS)]
    assert shades in (sorted(shades), sorted(shades, reverse=True))


def test_every_colour_of_the_style_is_in_both_palettes() -> None:
    used = {part.split(")")[0] for part in style_sheet().split("var(--")[1:]}
    assert used <= set(LIGHT)
    assert set(LIGHT) == set(DARK)
