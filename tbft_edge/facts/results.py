"""What training changed: figures of the validation images before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tbft_edge.figures import DASH, count, loss, percent, points

if TYPE_CHECKING:
    from tbft_runtime.reporting.report import Report
    from tbft_runtime.reporting.result import TrainResult


@dataclass(frozen=True)
class Change:
    """A figure of the base model, and of what is kept; dashes where it is not known."""

    name: str
    before: str
    after: str

    @property
    def words(self) -> str:
        """Both in one figure."""
        return DASH if self.before == self.after == DASH else f"{self.before} → {self.after}"


def changes(result: TrainResult) -> tuple[Change, Change]:
    """Accuracy, the part of the validation images that is right, and their mean loss."""
    return (
        accuracy(result.accuracy_before, result.accuracy_after),
        Change("validation loss", loss(result.loss_before), loss(result.loss_after)),
    )


def accuracy(before: float | None, after: float | None) -> Change:
    """The part of the validation images that is right (0 to 1)."""
    return Change("validation accuracy", percent(before), percent(after))


def gained(report: Report) -> str:
    """The difference, and of how many images; or why it is not known."""
    result = report.result
    before, after = result.accuracy_before, result.accuracy_after
    if before is None and after is None:
        return no_labels(report)
    difference = None if before is None or after is None else 100 * (after - before)
    return f"{points(difference)}, of {count(result.validation_images, f'validation {report.noun}')}"


def no_labels(report: Report) -> str:
    """Why nothing is known of what the network answers."""
    return f"no validation {report.noun} has a label"
