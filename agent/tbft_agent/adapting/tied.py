"""`python -m tbft_agent.adapting.tied PARENT WORDS`: `tbft-edge WORDS` that ends with the agent, even a killed one.

What a killed agent left behind would train on, beside whatever the next agent begins, and write into its folder.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2).


def main() -> None:
    """Become the command."""
    parent = int(sys.argv.pop(1))
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # It died before it could be said.
        return
    runpy.run_module("tbft_edge", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
