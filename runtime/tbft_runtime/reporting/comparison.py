"""Runs beside each other, as the paper's cost table (arXiv 2403.15905, table 4)."""

from __future__ import annotations

import msgspec

from tbft_artifacts.plan import Drift

FORMAT = 1


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a comparison.

    `method` is the rule by which the trained part was chosen, `drift` what it answers, if it asks. `data` is the hash
    of its images, `board` the board in words, other ones for every other board. `seconds` and the joules are those of
    its epochs; `step_ms` is the median of a train step. Savings (0 to 1) are against the run on the same data and board
    that trained everything, `baseline` marks that run; None where there is none, or its figure is missing or not
    comparable. `joules` are gross: all that the meter counted, also for the idle board; savings and `joules_per_point`
    are of these, `net_joules` stand beside them. `gained_points` is accuracy after minus before in percentage points,
    `joules_per_point` the joules for each of them (None where none was gained, or the meter covered too little of the
    run). Old accuracies are of images of the source domain, where the bundle keeps some. `notes` say what to know
    before believing the figures.
    """

    run: str
    method: str
    drift: Drift | None
    blocks: tuple[str, ...]
    data: str
    board: str
    baseline: bool
    epochs: int
    seconds: float
    step_ms: float | None
    meter: str | None
    estimate: bool
    covered: float
    joules: float | None
    net_joules: float | None
    saved_seconds: float | None
    saved_joules: float | None
    accuracy_before: float | None
    accuracy_after: float | None
    gained_points: float | None
    joules_per_point: float | None
    notes: tuple[str, ...]
    old_accuracy_before: float | None = None
    old_accuracy_after: float | None = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Rows in the order in which the runs were given, and what holds for the whole table."""

    format: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
