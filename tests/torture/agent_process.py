"""`tbft-edge agent` in processes that a server forks, which has everything imported: starting takes no second."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tbft_agent import service  # noqa: F401  (imported for the processes to come)
from tbft_edge.commands import agent  # noqa: F401
from tbft_edge.main import main

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload([__name__])


def started(config: Path, err: Path) -> ForkServerProcess:
    """The agent of a configuration; what it says on stderr is in `err`."""
    process = _FORKED.Process(target=_be_the_agent, args=(config, err), daemon=True)
    process.start()
    return process


def _be_the_agent(config: Path, err: Path) -> None:
    os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.argv = ["tbft-edge", "agent", str(config)]
    main()
