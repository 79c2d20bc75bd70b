"""`python -m tbft_fleet.rounds.begin PARENT PROGRAM ARGUMENTS`: become a program that ends with the one that began it.

Whatever takes the place of a process by execve(2) keeps what prctl(2) set.
"""

from __future__ import annotations

import os
import sys

from tbft_artifacts.tied import tie_to


def main() -> None:
    """Become the program."""
    if tie_to(int(sys.argv[1])):
        os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
