"""Figures as rows of text, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.agenda import FULL
from benchmarks.figures import Case, Policy, against_train_mode, figure
from benchmarks.goals import DRIFTS, GOALS, Goal, Quantity
from benchmarks.protocol import Drift
from benchmarks.ratios import Spread
from benchmarks.results import Results

REACHED, MISSED, NOTHING = "✓", "✗", "–"
_SHARES: tuple[Quantity, ...] = ("peak-share",)
_OF_TRAININGS: tuple[Quantity, ...] = ("training-same", "training-full", "memory")


class Notes:
    """Numbers the reasons why figures are missing."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def mark(self, reason: str) -> str:
        """`–` with the number of its note."""
        if reason not in self.texts:
            self.texts.append(reason)
        return f"{NOTHING} [{self.texts.index(reason) + 1}]"

    def lines(self) -> list[str]:
        return [f"[{number}] {text}" for number, text in enumerate(self.texts, start=1)]


def goal_rows(results: Results, policy: Policy, notes: Notes) -> list[list[str]]:
    """One row per goal and number of threads: text, threads, then measured and promised per drift."""
    rows = []
    for goal in GOALS:
        for threads in measured_threads(results, goal.quantity):
            cells = [_cell(results, goal, Case(drift, policy, threads), notes) for drift in DRIFTS]
            rows.append([_text(results, goal), str(threads), *cells])
    if policy == "default":
        for threads in measured_threads(results, "step-pytorch"):
            found = [against_train_mode(results, Case(drift, policy, threads)) for drift in DRIFTS]
            cells = [notes.mark(value) if isinstance(value, str) else ratio(value) for value in found]
            rows.append(["one uncached train step, PyTorch in train mode ÷ ours", str(threads), *cells])
    return rows


def measured_threads(results: Results, quantity: Quantity) -> list[int]:
    """The numbers of threads that a quantity was measured with."""
    contests = results.trainings if quantity in _OF_TRAININGS else results.steps
    return sorted({contest.threads for contest in contests})


def ratio(value: Spread) -> str:
    """`1.32 (1.29–1.36)`, or `1.32` if it was measured once."""
    interval = f" ({_number(value.low)}–{_number(value.high)})" if value.rounds > 1 else ""
    return _number(value.median) + interval


def share(value: Spread) -> str:
    """The same in per cent."""
    interval = f" ({value.low:.0%}–{value.high:.0%})" if value.rounds > 1 else ""
    return f"{value.median:.0%}{interval}"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; all columns but the first are aligned to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(results: Results, goal: Goal, case: Case, notes: Notes) -> str:
    drift: Drift = case.drift
    if drift not in goal.at_least:
        return NOTHING
    value = figure(results, goal.quantity, case)
    if isinstance(value, str):
        return notes.mark(value)
    at_least = goal.at_least[drift] if _is_what_was_promised(results, goal) else None
    text = share(value) if goal.quantity in _SHARES else ratio(value)
    if at_least is None:
        return text
    wanted = f"{at_least:.0%}" if goal.quantity in _SHARES else f"{at_least:g}"
    return f"{text}, goal {wanted} {REACHED if value.median >= at_least else MISSED}"


def _is_what_was_promised(results: Results, goal: Goal) -> bool:
    """A short training says little: loading weighs more in it."""
    promised = (FULL.images, FULL.epochs)
    return goal.quantity not in _OF_TRAININGS or all((c.images, c.epochs) == promised for c in results.trainings)


def _text(results: Results, goal: Goal) -> str:
    if goal.quantity in ("training-same", "training-full") and results.trainings:
        first = results.trainings[0]
        return goal.text.replace("a whole training", f"{first.epochs} epochs of {first.images:,} images")
    return goal.text


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
