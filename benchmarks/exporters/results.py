"""What is kept of a file's trial: one JSON object each."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Trained(msgspec.Struct, frozen=True):
    """An epoch of ten steps of a plan: validation loss before and after, and what its finalized model answers.

    `difference` is the largest one between probabilities of the run and of its finalized model.
    """

    plan: str
    drift: str
    loss_before: float
    loss_after: float
    difference: float


class Tried(msgspec.Struct, frozen=True):
    """A file: the opset that was asked for and the one that was `written`, its plans, and how near its bundle is.

    `difference` and `same` are of the base model's logits, as `benchmarks.exporters.answers` prints them. `refused` is
    what ended the trial; `as_file` names a file in which the compiler read the same graph, whose plans are this one's.
    """

    name: str
    network: str
    form: str
    opset: int
    written: int = 0
    processor_seconds: float = 0.0
    refused: str = ""
    as_file: str = ""
    plans: tuple[Trained, ...] = ()
    exported: tuple[str, ...] = ()
    left_out: dict[str, str] = {}
    difference: float = 0.0
    same: float = 0.0

    def trained(self, drift: str) -> Trained | None:
        """What came of the plan for that drift."""
        return next((each for each in self.plans if each.drift == drift), None)


def write(tried: Tried, folder: Path) -> None:
    """Into a file of its own, so that what was tried stays when the next one is stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{tried.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(tried), indent=1) + b"\n")


def read(folder: Path) -> dict[str, Tried]:
    """All that were tried, by name."""
    found = [msgspec.json.decode(path.read_bytes(), type=Tried) for path in sorted(folder.glob("*.json"))]
    return {each.name: each for each in found}
