"""What systemd itself says of units that were written, without running any."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

NEEDS_SYSTEMD = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
# `systemd-analyze security`: 0 is best, 9.6 a service that says nothing.
MOST_EXPOSED = 2.0


def exposure(units: Sequence[Path]) -> float:
    """Of the first one, a service; all of them have to be understood, each word."""
    checked = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", units[0]],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"exposure level for \S+: ([\d.]+)", judged.stdout)
    assert found is not None, judged.stdout
    return float(found[1])
