"""What a run says whose loss is no number."""

from __future__ import annotations

from pathlib import Path

from tbft_artifacts.errors import DivergedError


def diverged(what: str, epoch: int, run: Path, lr: float) -> DivergedError:
    """It happened in an epoch, and `run` keeps what was before it."""
    return DivergedError(
        f"{what}; '{run}' keeps the state after epoch {epoch - 1}", f"train again with a lower `lr` than {lr:g}"
    )


def without_training(loss: float) -> DivergedError:
    """No step was taken yet, so that no rate is to blame."""
    return DivergedError(
        f"the loss is {loss} before anything is trained",
        "no `lr` mends that: export the bundle again, from a model that learned",
    )
