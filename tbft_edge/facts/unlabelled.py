"""What a run without labels did, and how far it can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.fact import Fact, Group
from tbft_edge.figures import count, percent

if TYPE_CHECKING:
    from tbft_runtime.reporting.report import Report
    from tbft_runtime.run.unlabelled_record import Sureness, Unlabelled

_DONE = {
    "train": "trained",
    "statistics": "statistics of batch norms alone",
    "keep": "none: the network stays as it came",
}
NOT_VERIFIED = "not verified"


def without_labels(report: Report, told: Unlabelled) -> Group:
    """How a network learned from its own answers."""
    return Group(
        "Without labels",
        (
            verified(report),
            Fact("learning", _DONE[told.decision], told.why),
            _left_out(report, told),
            Fact("statistics", f"{percent(1 - told.share)} of these {report.noun}s", f"{percent(told.share)} its own"),
            Fact("answers as it came", _sureness(told.before)),
            Fact("with these statistics", _sureness(told.adapted)),
        ),
    )


def verified(report: Report) -> Fact:
    """Whether labels said what to keep."""
    result = report.result
    images = count(result.validation_images, f"labelled {report.noun}")
    if result.verified:
        return Fact("verified", f"by {images}", "which decided what is kept", is_brief=True)
    return Fact("verified", NOT_VERIFIED, "no label decided what is kept", is_brief=True)


def kept(told: Unlabelled) -> str:
    """Which state is."""
    if told.kept is None:
        return "the network as it came is kept"
    return f"that after epoch {told.kept} is kept" if told.kept else "statistics alone are kept"


def _left_out(report: Report, told: Unlabelled) -> Fact:
    name = "unsure, left out"
    if not told.trained:
        return Fact(name, "–")
    last = f"{told.last_unsure:,} of {count(told.images, report.noun)} in the last epoch"
    return Fact(name, last, f"{percent(told.saved)} of the backward passes were saved")


def _sureness(answers: Sureness) -> str:
    return f"entropy {answers.entropy:.2f} nats, of about {answers.classes:.1f} classes"
