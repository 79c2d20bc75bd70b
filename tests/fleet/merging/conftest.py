"""Runs of three devices, which tests only read."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.bundles import ALL_DRIFTS, HEAD, LAST
from support.runs import fine_tune
from support.toys import save_squares


def train_three(folder: Path, plan: str, **options: object) -> list[Path]:
    """Three runs of the same plan, on other images each: 24, 32 and 40."""
    runs = []
    for number in range(3):
        data = save_squares(folder / f"{plan}-{number}.npz", 24 + 8 * number, seed=10 + number)
        runs.append(folder / f"pi-{number}")
        fine_tune(ALL_DRIFTS, data, runs[-1], plan=plan, epochs=2, val_fraction=0.25, **options)
    return runs


@pytest.fixture(scope="session")
def heads(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Runs of the last layer: no statistics move."""
    return train_three(tmp_path_factory.mktemp("heads"), HEAD)


@pytest.fixture(scope="session")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Runs of the last stage, whose batch norms use the statistics of the batch."""
    return train_three(tmp_path_factory.mktemp("blocks"), LAST)
