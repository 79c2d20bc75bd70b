"""What came of a release's gates, and what follows from that.

Each gate is passed, failed, or cannot be measured, which is as good as failed where the gate is required.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tbft_artifacts.structs import Part, Struct
from tbft_fleet.files.gates import Gate, Gates

Verdict = Literal["passed", "failed", "not measurable"]


class Judged(Struct, frozen=True, kw_only=True):
    """What came of one gate; `text` has the figure, or why there is none. `load`: whether it answers at all.

    Accuracies (0 to 1) are on the device's own images, of the release and of the one before it; None where the gate
    measured none.
    """

    gate: Gate | Literal["load"]
    verdict: Verdict
    text: str
    accuracy: Part | None = None
    accuracy_before: Part | None = None


def why_not(judged: Sequence[Judged], gates: Gates) -> str | None:
    """Why a release must not stay; None if it may."""
    required = {"load", *gates.required}
    bad = (
        f"{each.gate} {each.verdict}: {each.text}"
        for each in judged
        if each.verdict == "failed" or (each.verdict == "not measurable" and each.gate in required)
    )
    return "; ".join(bad) or None


def accuracies(judged: Sequence[Judged]) -> tuple[float | None, float | None]:
    """Of the release before, and of the one that was judged; None where no gate measured it."""
    before = (each.accuracy_before for each in judged if each.accuracy_before is not None)
    after = (each.accuracy for each in judged if each.accuracy is not None)
    return next(before, None), next(after, None)
