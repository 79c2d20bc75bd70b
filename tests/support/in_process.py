"""Run `tbft-edge` in this process: most of what a command of the host takes is importing torch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.commands import Ended
from tbft_edge.main import main


def run_in_process(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> Ended:
    """How a command ended that calls `sys.exit`, as every one does that refuses."""
    capfd.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        patch.setattr(sys, "argv", ["tbft-edge", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
    written = capfd.readouterr()
    assert isinstance(caught.value.code, int)
    return Ended(caught.value.code, written.out, written.err)
