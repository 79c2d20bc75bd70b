"""Colours, in light and in dark. Text keeps a contrast of 4.5 to what is behind it, lines and areas one of 3."""

from __future__ import annotations

from collections.abc import Mapping

# `h1` to `h5` shade the cells of a confusion matrix, `t1` to `t5` are the figures on them. `c0` to `c7` are series.
LIGHT: Mapping[str, str] = {
    "page": "#f6f7f5",
    "surface": "#ffffff",
    "ink": "#1b2430",
    "soft": "#55606e",
    "line": "#dfe3e8",
    "edge": "#7d8896",
    "accent": "#1f66b0",
    "warn": "#9a4a05",
    "warned": "#fdf3e7",
    "c0": "#1f66b0",
    "c1": "#c2570c",
    "c2": "#1d8a72",
    "c3": "#8b4a9c",
    "c4": "#8a6d00",
    "c5": "#bc3c6b",
    "c6": "#4a5260",
    "c7": "#7b8694",
    "h0": "#ffffff",
    "h1": "#e3edf7",
    "h2": "#bdd6ec",
    "h3": "#8fbbe0",
    "h4": "#2f74b5",
    "h5": "#164f86",
    "t0": "#55606e",
    "t1": "#1b2430",
    "t2": "#1b2430",
    "t3": "#1b2430",
    "t4": "#ffffff",
    "t5": "#ffffff",
}
DARK: Mapping[str, str] = {
    "page": "#12161c",
    "surface": "#1b212b",
    "ink": "#e8ecf1",
    "soft": "#a3aebb",
    "line": "#313a47",
    "edge": "#7f8b99",
    "accent": "#7db4ec",
    "warn": "#f4b274",
    "warned": "#2e251b",
    "c0": "#6aa9e9",
    "c1": "#f2a65a",
    "c2": "#4fc0a8",
    "c3": "#c096d8",
    "c4": "#d9b93b",
    "c5": "#ec86ab",
    "c6": "#c7ccd4",
    "c7": "#8995a3",
    "h0": "#1b212b",
    "h1": "#22344a",
    "h2": "#26486a",
    "h3": "#2c5f90",
    "h4": "#7db4e6",
    "h5": "#c2dcf5",
    "t0": "#a3aebb",
    "t1": "#e8ecf1",
    "t2": "#e8ecf1",
    "t3": "#ffffff",
    "t4": "#12161c",
    "t5": "#12161c",
}
SERIES = 8
HEATS = 6


def variables(palette: Mapping[str, str]) -> str:
    """The CSS declarations of a palette."""
    return "".join(f"--{name}:{colour};" for name, colour in palette.items())
