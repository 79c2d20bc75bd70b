"""Results of experiments that never were, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tbft_edge.reproduce.blocks import BLOCKS, PaperBlock
from tbft_edge.reproduce.results import FORMAT, CaseSummary, Results
from tbft_edge.reproduce.trial import Engine, Outcome, Recipe, Record, Trial

ACCURACY: Mapping[str, Mapping[PaperBlock, float]] = {
    "fog": {"block1": 0.70, "block2": 0.60, "block3": 0.56, "fc": 0.50, "full": 0.68},
    "frost": {"block1": 0.60, "block2": 0.50, "block3": 0.52, "fc": 0.30, "full": 0.62},
    "jpeg": {"block1": 0.80, "block2": 0.70, "block3": 0.72, "fc": 0.70, "full": 0.74},
}
SECONDS: Mapping[PaperBlock, float] = {"block1": 80.0, "block2": 60.0, "block3": 50.0, "fc": 10.0, "full": 100.0}


def outcome(accuracy: float = 0.5, seconds: float = 10.0, **changes: Any) -> Outcome:
    """Ten epochs, the best one the seventh, without a meter."""
    fields: dict[str, Any] = {
        "accuracy": accuracy,
        "test_images": 1500,
        "validation_accuracy": accuracy,
        "epochs": 10,
        "best_epoch": 7,
        "seconds": seconds,
        "epoch_seconds": seconds / 10,
        "step_ms": seconds * 12,
        "joules": None,
    }
    return Outcome(**fields | changes)


def record(
    case: str,
    recipe: Recipe,
    block: PaperBlock | None,
    result: Outcome,
    *,
    engine: Engine = "device",
    size: int = 10,
    repeat: int = 0,
) -> Record:
    """One trial."""
    return Record(
        trial=Trial(case=case, engine=engine, recipe=recipe, block=block, size=size, repeat=repeat), outcome=result
    )


def default_records(
    accuracies: Mapping[str, Mapping[PaperBlock, float]], *, size: int = 10, repeat: int = 0
) -> list[Record]:
    """No adaptation (20 %), statistics only (40 %), and every block by our defaults."""
    records = []
    for case, blocks in accuracies.items():
        records.append(record(case, "none", None, outcome(0.2, 0.0), size=size, repeat=repeat))
        records.append(record(case, "statistics", None, outcome(0.4, 0.0), size=size, repeat=repeat))
        for block in BLOCKS:
            if block in blocks:
                result = outcome(blocks[block], SECONDS[block])
                records.append(record(case, "default", block, result, size=size, repeat=repeat))
    return records


def results(
    records: Iterable[Record],
    suite: str = "cifar10-c",
    target: PaperBlock | Mapping[str, PaperBlock] = "block1",
    **more: Any,
) -> Results:
    """Of the cases that the records name, in their order; 1,500 images each."""
    known = list(records)
    cases = dict.fromkeys(each.trial.case for each in known)
    fields: dict[str, Any] = {
        "format": FORMAT,
        "suite": suite,
        "preset": "quick",
        "data": "photos.npz (1234abcd)",
        "weights": "net.pth (abcd1234)",
        "machine": "abacus, 2 cores",
        "jobs": 2,
        "threads": 1,
        "meter": "none",
        "versions": {"torch": "2.0", "onnxruntime": "1.22"},
        "cases": tuple(
            CaseSummary(case, target if isinstance(target, str) else target[case], test_images=1500) for case in cases
        ),
        "records": tuple(known),
    }
    return Results(**fields | more)


def quick() -> Results:
    """Three drifts by our defaults; frost also frozen, and its target and Full by the paper's protocol."""
    records = default_records(ACCURACY)
    for block, seconds in SECONDS.items():
        records.append(record("frost", "frozen", block, outcome(0.45, seconds / 2)))
    for engine, block, accuracy, seconds in (
        ("pytorch", "block1", 0.59, 180.0),
        ("pytorch", "full", 0.63, 200.0),
        ("device", "block1", 0.595, 90.0),
        ("device", "full", 0.615, 110.0),
    ):
        records.append(record("frost", "paper", block, outcome(accuracy, seconds), engine=engine))  # type: ignore[arg-type]
    return results(records)
