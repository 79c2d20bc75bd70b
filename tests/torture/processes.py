"""`tbft-edge` in processes that a server forks, which has everything imported: starting takes no second."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tbft_agent import service  # noqa: F401  (imported for the processes to come)
from tbft_edge.commands import agent  # noqa: F401
from tbft_edge.main import main
from tbft_fleet.device import repository, update  # noqa: F401

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload([__name__])


def started(arguments: Sequence[str], err: Path) -> ForkServerProcess:
    """The command; what it says on stderr is in `err`."""
    process = _FORKED.Process(target=_be_the_command, args=(arguments, err), daemon=True)
    process.start()
    return process


def _be_the_command(arguments: Sequence[str], err: Path) -> None:
    os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.argv = ["tbft-edge", *arguments]
    main()
