"""A short round of kills and faults; `make torture` has hundreds, and power cuts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from torture import shim

TESTS = Path(__file__).parents[1]


@pytest.mark.long
@pytest.mark.skipif(shim.why_not() is not None, reason=str(shim.why_not()))
def test_what_is_interrupted_ends_as_if_nothing_had_happened() -> None:
    """Killed or failed at any file operation, and run again: the same result, nothing lost, nothing left over."""
    command = [sys.executable, "-m", "torture", "--kills", "32", "--faults", "24", "--cuts", "0", "--cores", "1"]
    settings = {"PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ended = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 failed" in ended.stdout.splitlines()[-1]
