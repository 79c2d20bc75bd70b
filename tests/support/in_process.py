"""Run `tbft-edge` in this process: most of what a command of the host takes is importing torch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.commands import Ended
from tbft_edge.main import main


def run_in_process(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> Ended:
    """How a command ended, also one that calls `sys.exit`, as every one does that refuses."""
    capfd.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        patch.setattr(sys, "argv", ["tbft-edge", *map(str, arguments)])
        code: str | int | None = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
    written = capfd.readouterr()
    code = code or 0
    assert isinstance(code, int)
    return Ended(code, written.out, written.err)
