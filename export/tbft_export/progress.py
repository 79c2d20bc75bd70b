"""What is being done, for who waits: an export takes from seconds to minutes."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told of each step as it begins, and how many steps of its kind are over."""

    def begin(self, what: str, total: int, /) -> None:
        """`what` is being done, one of `total` steps."""

    def advance(self, steps: int, /) -> None:
        """So many `steps` of them are over."""


class Silent:
    """Tells nobody."""

    def begin(self, what: str, total: int) -> None:
        """Nothing."""

    def advance(self, steps: int) -> None:
        """Nothing."""


class PlanSteps:
    """The steps in which plan `number` of `total` is made, by name."""

    def __init__(self, progress: Progress, plan: str, number: int, total: int) -> None:
        self._progress = progress
        self._plan = plan if total == 1 else f"plan {number} of {total}, {plan}"
        self._number = number
        self._total = total

    def begin(self, step: str) -> None:
        """`step` of this plan is being done; the plans before it are over."""
        self._progress.begin(f"{self._plan}: {step}", self._total)
        self._progress.advance(self._number - 1)
