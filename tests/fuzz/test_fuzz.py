"""A minute of the fuzz suite: cases of every surface, the same in each run; `make fuzz` tries thousands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.surfaces import SURFACES

CASES = 280
SEED = 20260
TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the suite keeps what failed. A process of its own: this one has threads, and so cannot be forked well."""
    folder = tmp_path_factory.mktemp("fuzz") / "kept"
    command = [sys.executable, "-m", "fuzz", "--cases", str(CASES), "--seed", str(SEED), "--cores", "1"]
    settings = {"PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*command, "--kept", folder], env=os.environ | settings, capture_output=True, text=True, check=False
    )
    assert ended.returncode in (0, 1), ended.stderr
    assert f" {SEED};" in ended.stdout
    assert all(f"{name} " in ended.stdout for name in SURFACES)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("surface", SURFACES)
def test_broken_input_ends_well(surface: str, kept: Path) -> None:
    """An answer that makes sense, or one error line and a hint: no traceback, no crash, no hang, nothing left over."""
    assert [case.read_text() for case in sorted(kept.glob(f"{surface}-*/case.txt"))] == []
