"""Where what is refused must leave nothing."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Where outputs of a test go: what is there before has to be there afterwards, and nothing else."""
    folder = tmp_path / "desk"
    folder.mkdir()
    return folder
