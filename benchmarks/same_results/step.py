"""One command that is run in both trees, and how what it gives is compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.same_results.side import Environment

Group = Literal["bundles", "runs", "commands", "reproduce", "refusals", "names", "options"]
# What a command leaves behind: files that are the same to the byte, or a run with its times.
Made = Literal["nothing", "bytes", "run"]


@dataclass(frozen=True)
class Step:
    """A command, run in the folder of a side with `--json` unless it is `interrupted` after its first epoch.

    `arguments` name other steps' outputs by their `out`; `made` says how that of this one is compared, and `kept`
    which part of it, if not all.
    """

    group: Group
    name: str
    environment: Environment
    arguments: tuple[str, ...]
    out: str | None = None
    made: Made = "nothing"
    kept: str | None = None
    interrupted: bool = False

    @property
    def command(self) -> tuple[str, ...]:
        """All words behind `tbft-edge`."""
        out = () if self.out is None else ("--out", self.out)
        return (*self.arguments, *out, *(() if self.interrupted else ("--json",)))


def chosen(steps: Sequence[Step], groups: Iterable[Group]) -> list[Step]:
    """The steps of some groups, and those before them whose outputs they name, in order."""
    wanted = set(groups)
    needed: set[str] = set()
    taken = []
    for step in reversed(steps):
        if step.group in wanted or step.out in needed:
            taken.append(step)
            needed.update(step.command)
    return taken[::-1]
