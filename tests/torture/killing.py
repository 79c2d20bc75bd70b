"""What is asked of programs that kill something again and again, and what they count."""

from __future__ import annotations

import argparse
import collections
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from torture.saying import has_bundles, say


class Asked(NamedTuple):
    """So many kills, at moments that the seed decides."""

    kills: int
    seed: int


@dataclass
class Counted:
    """What came of it: kills by what it was at, and everything that was wrong after one."""

    kills: int = 0
    states: collections.Counter[str] = field(default_factory=collections.Counter)
    problems: list[str] = field(default_factory=list)

    def find(self, problem: str) -> None:
        """Say it at once: what is in the folder now will not be for long."""
        self.problems.append(problem)
        say(problem)


def asked(
    program: str, description: str | None, kills: int, seconds_each: float, arguments: Sequence[str] | None
) -> Asked | None:
    """By the command line, `kills` unless it says other; None, which is said, where there is nothing to start from."""
    parser = argparse.ArgumentParser(f"python -m {program}", description=description)
    parser.add_argument("--seed", type=int, default=0, help="decides the moments; default: 0")
    parser.add_argument("--kills", type=int, default=kills, help=f"how many; default: {kills}")
    found = parser.parse_args(arguments)
    if not has_bundles():
        return None
    say(f"{found.kills} kills, seed {found.seed}: about {found.kills * seconds_each / 60:.0f} minutes")
    # Whoever ends the program ends what it began, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return Asked(found.kills, found.seed)
