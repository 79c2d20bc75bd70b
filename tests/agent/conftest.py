"""What tests of the agent start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.runs import fine_tune


@pytest.fixture(scope="session")
def run_of_kept(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of bundle `kept` that learned one epoch; tests copy it."""
    out = tmp_path_factory.mktemp("run") / "run"
    fine_tune("kept", squares, out, drift="output", epochs=1)
    return out
