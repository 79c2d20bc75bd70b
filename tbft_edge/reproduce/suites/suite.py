"""What a suite is, and what it is made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tbft_edge.reproduce.case import Case, Network
from tbft_edge.reproduce.preset import Extent, Preset


@dataclass(frozen=True)
class Sources:
    """What the user gave: the data, the trained network, and a folder for what is made of them."""

    data: Path
    network: Network
    work: Path
    preset: Preset
    breeds: Path | None = None


@dataclass(frozen=True)
class Suite:
    """Drifts, and how much of them is run. `trial_seconds` is what a trial takes on one core, about, where known."""

    cases: tuple[Case, ...]
    extent: Extent
    trial_seconds: float | None = None
