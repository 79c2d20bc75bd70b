"""What a run trained, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tbft_artifacts.plan import Drift
    from tbft_runtime.reporting.result import TrainResult

# So many blocks are named in a title or a cell; the settings name all.
FEW = 3


def heading(result: TrainResult) -> str:
    """What was trained, and for what."""
    words = trained(result.drift, result.blocks)
    return f"{result.purpose}: trained {words}{'' if result.blocks else ' (batch-norm statistics re-estimated)'}"


def trained(drift: Drift | None, blocks: Sequence[str]) -> str:
    """The trained blocks in few words."""
    if not blocks:
        return "nothing"
    if drift == "full":
        return "everything"
    rest = len(blocks) - FEW
    # One more is as short as its count.
    return ", ".join(blocks) if rest <= 1 else f"{', '.join(blocks[:FEW])} and {rest} more"
