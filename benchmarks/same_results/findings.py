"""What comparing one thing found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from benchmarks.same_results.measured import Measured

LONGEST = 100


@dataclass(frozen=True)
class Difference:
    """Two things that ought to be the same: `where` they are, and what is there in each tree."""

    where: str
    base: str
    other: str


@dataclass
class Findings:
    """Collects while a comparison goes on.

    `compared` counts what was held against each other, by kind, and `measured` values that were set aside, by rule.
    `remarks` are changes that are allowed: what grew, and other words.
    """

    compared: Counter[str] = field(default_factory=Counter)
    measured: Counter[Measured] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def expect(self, where: str, base: object, other: object, kind: str) -> bool:
        """Count one more of `kind`; where both are not the same that is a difference, and False is returned."""
        self.compared[kind] += 1
        if type(base) is type(other) and base == other:
            return True
        self.differ(where, base, other)
        return False

    def differ(self, where: str, base: object, other: object) -> None:
        self.differences.append(Difference(where, short(base), short(other)))

    def add(self, more: Findings) -> None:
        """Take in what another comparison found."""
        self.compared += more.compared
        self.measured += more.measured
        self.differences += more.differences
        self.remarks += more.remarks


def short(value: object) -> str:
    """`value` on one line of bounded length."""
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
