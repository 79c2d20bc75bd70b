"""`… tbft_fleet.rounds.begin PARENT SIGNAL PROGRAM ARGUMENTS`: become a program that ends with the one that began it.

Whatever takes the place of a process by execve(2) keeps what prctl(2) set.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from tbft_artifacts.tied import tie_to


def tied(words: Sequence[str], by: signal.Signals = signal.SIGKILL) -> list[str]:
    """What begins a program, by its whole path, that gets the signal `by` when this process has ended."""
    return [sys.executable, "-P", "-m", "tbft_fleet.rounds.begin", str(os.getpid()), str(int(by)), *words]


def main() -> None:
    """Become the program."""
    if tie_to(int(sys.argv[1]), signal.Signals(int(sys.argv[2]))):
        os.execv(sys.argv[3], sys.argv[3:])


if __name__ == "__main__":
    main()
