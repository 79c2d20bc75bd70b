"""What is kept of a network's trial: one JSON object each."""

from __future__ import annotations

from pathlib import Path

import msgspec


class PlanTried(msgspec.Struct, frozen=True):
    """Ten steps of a plan: median milliseconds, and how far they end from PyTorch in float64 (`Agreement`)."""

    plan: str
    drift: str
    share: float
    step_ms: float
    device: float
    pytorch: float
    of_bound: float


class Tried(msgspec.Struct, frozen=True):
    """A network: what its export took, its plans, and of those that cannot be made why.

    `refused` is why nothing was exported; empty where something was.
    """

    name: str
    shape: tuple[int, int, int]
    parameters: int
    seconds: float = 0.0
    processor_seconds: float = 0.0
    peak_bytes: int = 0
    bundle_bytes: int = 0
    refused: str = ""
    plans: tuple[PlanTried, ...] = ()
    left_out: dict[str, str] = {}

    def trains(self, drift: str) -> bool:
        """Whether a plan for that drift was trained, and ended within the bound."""
        return any(plan.drift == drift and plan.of_bound <= 1 for plan in self.plans)


def write(tried: Tried, folder: Path) -> None:
    """Into a file of its own, so that what was tried stays when the next one is stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{tried.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(tried), indent=1) + b"\n")


def read(folder: Path) -> list[Tried]:
    """All that were tried, by name."""
    return [msgspec.json.decode(path.read_bytes(), type=Tried) for path in sorted(folder.glob("*.json"))]
