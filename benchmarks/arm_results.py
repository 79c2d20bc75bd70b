"""Counted instructions, and the goals for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from benchmarks.prepared import FOLDER
from benchmarks.protocol import Drift
from benchmarks.tables import MISSED, NOTHING, REACHED

ARM_RESULTS = FOLDER / "arm.json"
# PyTorch ÷ ours at least: of a step from the images, and of one from stored activations.
STEP_GOALS: Mapping[Drift, float] = {"input": 3.0, "feature": 1.5, "full": 2.5}
CACHED_GOALS: Mapping[Drift, float] = {"feature": 3.0, "output": 500.0}


class DriftCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Instructions of a step; `reason` says why one is missing. PyTorch has no stored activations."""

    drift: Drift
    ours: int | None
    ours_cached: int | None
    pytorch: int | None
    reason: str | None


class ArmResults(msgspec.Struct, frozen=True, kw_only=True):
    """All counted in one run."""

    date: str
    cpu: str
    batch_size: int
    torch: str
    drifts: list[DriftCounts]


def read_arm(path: Path) -> ArmResults | None:
    """The last counts, or None if nothing was counted."""
    return msgspec.json.decode(path.read_bytes(), type=ArmResults) if path.exists() else None


def arm_rows(results: ArmResults) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a table: counts in millions, ratios beside their goals."""
    columns = ["trained", results.torch, "ours", "from stored", "PyTorch ÷ ours", "PyTorch ÷ from stored"]
    rows = [
        [
            counts.drift,
            _millions(counts.pytorch),
            _millions(counts.ours),
            _millions(counts.ours_cached),
            _ratio(counts.pytorch, counts.ours, STEP_GOALS.get(counts.drift)),
            _ratio(counts.pytorch, counts.ours_cached, CACHED_GOALS.get(counts.drift)),
        ]
        for counts in results.drifts
    ]
    return columns, rows


def _millions(count: int | None) -> str:
    return NOTHING if count is None else f"{count / 1e6:,.1f}"


def _ratio(theirs: int | None, ours: int | None, goal: float | None) -> str:
    if theirs is None or ours is None:
        return NOTHING
    ratio = theirs / ours
    verdict = "" if goal is None else f", goal {goal:g} {REACHED if ratio >= goal else MISSED}"
    return f"{ratio:.2f}{verdict}"
