"""Read the state file of a run with nothing but safetensors, as another program would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open


def state_of(run: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(tensors by name, the rest) of a run's state file; fails if the file is not whole."""
    with safe_open(run / "state.safetensors", "numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["training"])  # noqa: SIM118


def epoch_of(run: Path) -> int:
    """How many epochs the run has saved."""
    return int(state_of(run)[1]["epoch"])


def assert_equal_states(run: Path, other: Path) -> None:
    """Same weights, optimizer state and best weights, bit for bit, after the same epochs and steps."""
    first, second = state_of(run), state_of(other)
    assert first[0].keys() == second[0].keys()
    different = [name for name, value in first[0].items() if value.tobytes() != second[0][name].tobytes()]
    assert different == []
    assert [first[1][name] for name in ("epoch", "step", "best_epoch", "best_loss")] == [
        second[1][name] for name in ("epoch", "step", "best_epoch", "best_loss")
    ]
