"""Figures as rows of text, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import names
from benchmarks.agenda import FULL
from benchmarks.figures import Case, Contest, Figure, figure
from benchmarks.goals import DRIFTS, GOALS, Goal, Quantity
from benchmarks.protocol import Network
from benchmarks.ratios import Spread
from benchmarks.results import Results

REACHED, MISSED, NOTHING = "✓", "✗", "–"
_OF_TRAININGS: tuple[Quantity, ...] = ("training", "training-memory")


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


COLUMNS = ("theirs ÷ ours", "network", "threads", *DRIFTS)


def goal_rows(results: Results, notes: Notes) -> list[list[str]]:
    """One row per goal, network and number of threads, with default policies: measured beside what was promised."""
    return [
        [
            _text(results, goal.quantity, goal.text),
            names.NETWORKS[network],
            str(threads),
            *(_cell(results, goal, Case(network, drift, "default", threads), notes) for drift in DRIFTS),
        ]
        for goal in GOALS
        for network in goal.networks
        for threads in measured_threads(results, goal.quantity, network)
    ]


def frozen_rows(results: Results, notes: Notes) -> list[list[str]]:
    """Steps of ResNet-26 with batch norms frozen for everyone; of a drift that freezes them by default, the same."""
    quantities: tuple[tuple[Quantity, str], ...] = (
        ("step-format", "train step, PyTorch's better memory format"),
        ("step-eager", "train step, PyTorch as it comes"),
    )
    rows = []
    for quantity, text in quantities:
        for threads in measured_threads(results, quantity, "resnet26"):
            found = [figure(results, quantity, Case("resnet26", drift, "frozen", threads)) for drift in DRIFTS]
            cells = [_number_of(quantity, value, notes) for value in found]
            rows.append([text, names.NETWORKS["resnet26"], str(threads), *cells])
    return rows


def measured_threads(results: Results, quantity: Quantity, network: Network) -> list[int]:
    """The numbers of threads that a quantity was measured with."""
    contests: list[Contest] = [*results.trainings] if quantity in _OF_TRAININGS else [*results.steps]
    return sorted(
        {
            contest.threads
            for contest in contests
            for each in (*contest.lanes, *contest.absent)
            if each.contestant.network == network
        }
    )


def ratio(value: Spread) -> str:
    """`1.32 (1.29–1.36)`, or `1.32` if it was measured once."""
    interval = f" ({_number(value.low)}–{_number(value.high)})" if value.rounds > 1 else ""
    return _number(value.median) + interval


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; all columns but the first are aligned to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(results: Results, goal: Goal, case: Case, notes: Notes) -> str:
    value = figure(results, goal.quantity, case)
    text = _number_of(goal.quantity, value, notes)
    at_least = goal.at_least(case.drift, case.threads) if _is_what_was_promised(results, goal) else None
    if isinstance(value, str) or at_least is None:
        return text
    return f"{text}, goal {at_least:g} {REACHED if value.ratio.median >= at_least else MISSED}"


def _number_of(quantity: Quantity, value: Figure | str, notes: Notes) -> str:
    if isinstance(value, str):
        return notes.mark(value)
    # One that has no choice needs no name.
    peer = "" if quantity == "step-eager" else f" {names.SHORT[value.peer]}"
    return ratio(value.ratio) + peer


def _is_what_was_promised(results: Results, goal: Goal) -> bool:
    """A short training says little: loading weighs more in it."""
    promised = (FULL.images, FULL.epochs)
    return goal.quantity not in _OF_TRAININGS or all((c.images, c.epochs) == promised for c in results.trainings)


def _text(results: Results, quantity: Quantity, text: str) -> str:
    if quantity == "training" and results.trainings:
        first = results.trainings[0]
        return text.replace("a whole training", f"{first.epochs} epochs of {first.images:,} images")
    return text


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
