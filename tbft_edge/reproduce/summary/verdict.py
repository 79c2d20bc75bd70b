"""A claim about results, and whether it holds."""

from __future__ import annotations

from dataclasses import dataclass

from tbft_edge.reproduce.summary.names import Exhibit

# Means of the same figures may differ in the last bit.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Verdict:
    """`holds` is None where nothing that decides it was run; `lines` say why, `exhibits` list every figure of it."""

    claim: str
    holds: bool | None
    lines: tuple[str, ...]
    exhibits: tuple[Exhibit, ...] = ()

    @property
    def word(self) -> str:
        """What became of it, told without colour."""
        return {True: "✓ holds", False: "✗ does not hold", None: "– not decided"}[self.holds]
