"""A fact in words, and facts that belong together."""

from __future__ import annotations

from dataclasses import dataclass

from tbft_edge.figures import DASH, UNAVAILABLE


@dataclass(frozen=True)
class Fact:
    """What something is: its figure, and in brackets what to know of that.

    `is_estimate`: the figure comes from joules that no meter measured, and is to be marked wherever it stands.
    `is_brief`: it is among the few, nine at most, that stand on the terminal right after training; all others are in
    `report` and on the page.
    """

    name: str
    figure: str
    remark: str = ""
    is_estimate: bool = False
    is_brief: bool = False

    @property
    def is_marked(self) -> bool:
        """Whether there is a figure, and it is an estimate."""
        return self.is_estimate and self.figure not in (DASH, UNAVAILABLE)

    @property
    def words(self) -> str:
        """All of it as text."""
        return f"{self.figure}{' est.' if self.is_marked else ''}{self.in_brackets}"

    @property
    def in_brackets(self) -> str:
        """The remark as it follows the figure; nothing without one."""
        return f" ({self.remark})" if self.remark else ""


@dataclass(frozen=True)
class Group:
    """Facts that belong together, under a title."""

    title: str
    facts: tuple[Fact, ...]
