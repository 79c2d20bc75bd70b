"""The agent's demo comes out: a camera, an agent, and a person, each in its own process, over the page's HTTP API."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.commands import ROOT

TIMEOUT = 1500


def test_from_dim_light_to_other_meanings(tmp_path: Path) -> None:
    """What it learned without labels, and with those that it asked for, is right of digits that it was never shown."""
    with socket.socket() as listener:
        if listener.connect_ex(("127.0.0.1", 8643)) == 0:
            pytest.skip("somebody has the demo's port")
    ended = subprocess.run(
        [sys.executable, "demo/agent_run.py", "--out", str(tmp_path / "out")],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    clean, dim, renamed = json.loads(ended.stdout)
    assert clean["after"] > 0.95
    assert dim["before"] < 0.5 < 0.85 < dim["after"]
    assert renamed["before"] < 0.2 < 0.8 < renamed["after"]
    assert "better: version 1 answers: trained without labels" in ended.stderr
    assert "since labels mean something else now" in ended.stderr
