"""Settings that every test shares, and data that many do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from support.toys import save_squares

# No deadline: a slow machine is no defect. The same examples in every run: a red one can be repeated.
settings.register_profile("tbft-edge", deadline=None, derandomize=True)
settings.load_profile("tbft-edge")


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 labelled images; tests only read them."""
    return save_squares(tmp_path_factory.mktemp("squares") / "squares.npz")


@pytest.fixture(scope="session")
def more_squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 other images of the same kind."""
    return save_squares(tmp_path_factory.mktemp("squares") / "more.npz", 40, seed=1)
