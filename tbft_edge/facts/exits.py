"""What a network with several exits gives by answering early."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tbft_edge.facts.fact import Fact, Group
from tbft_edge.figures import percent, significant

if TYPE_CHECKING:
    from tbft_artifacts.preprocessing import Noun
    from tbft_runtime.exits.record import Calibration, EarlyAnswers


def early_answers(calibration: Calibration, noun: Noun) -> Group:
    """Of the validation images, each called a `noun`, and how the threshold was chosen by them."""
    return Group(
        "Early answers",
        (
            Fact("early answers", saving(calibration.early), is_brief=True),
            Fact("leaving where", f"{calibration.early.threshold:.1%} sure", _choice(calibration, noun)),
        ),
    )


def saving(early: EarlyAnswers) -> str:
    """What leaving early changes."""
    times = significant(early.full_flops / early.mean_flops if early.mean_flops else None)
    return (
        f"{percent(early.accuracy)} right, the whole network {percent(early.full_accuracy)}; "
        f"{times} times fewer FLOPs on average"
    )


def missed(calibration: Calibration, noun: Noun) -> str | None:
    """What was wanted of the threshold and no threshold gives; None if this one does."""
    wanted = f"no threshold is right for {percent(calibration.wanted)} of the validation {noun}s"
    if not calibration.is_reached:
        return f"{wanted}; this is the best one"
    return None if calibration.has_margin else f"{wanted} with a standard error to spare; this is the best one"


def _choice(calibration: Calibration, noun: Noun) -> str:
    reached = (
        f"the lowest threshold at which {percent(calibration.wanted)} of the validation {noun}s are answered rightly, "
        "with a standard error to spare"
    )
    return missed(calibration, noun) or reached
