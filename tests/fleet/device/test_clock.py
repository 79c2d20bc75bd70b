"""What a board without a clock goes by: neither forgotten nor ahead of what made it."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from support.commands import ROOT
from tbft_fleet.device.clock import BUILT

# How much older than the newest change the date may be: a board that has no clock, and that somebody keeps from
# everything new, takes old metadata for so much longer.
MOST_BEHIND = timedelta(days=60)


def test_the_date_of_this_version_is_no_older_than_its_code_by_much() -> None:
    """Where this fails, raise `BUILT` to the day on which you read this."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("this is no clone: when it was changed last is not known")
    changed = datetime.fromtimestamp(int(done.stdout), UTC)
    assert changed - MOST_BEHIND <= BUILT <= changed + timedelta(days=1)
