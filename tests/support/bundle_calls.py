"""Every command that opens a bundle, and what it is given: what holds for bundles holds for each. Device only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.bundles import ALL_DRIFTS, FRONT
from support.runs import fine_tune

# The bundle of most.
BUNDLE = "output-frozen"


@dataclass(frozen=True)
class Place:
    """What the commands are given, and where they may write; `bundle` says where a compiled bundle lies.

    `run` is one of `BUNDLE`, `adapted` one for a bank: of a bundle with moments of its source.
    """

    bundle: Callable[[str], Path]
    data: Path
    run: Path
    adapted: Path
    out: Path


def trained_place(bundle: Callable[[str], Path], data: Path, folder: Path) -> Place:
    """With both runs, in an empty folder; nothing may be written yet."""
    run, adapted = folder / "run", folder / "adapted"
    fine_tune(bundle(BUNDLE), data, run, epochs=1)
    fine_tune(bundle(ALL_DRIFTS), data, adapted, plan=FRONT, batch_norm="adapt", epochs=0)
    return Place(bundle, data, run, adapted, folder / "nowhere")


Arguments = Callable[[Place], tuple[str | Path, ...]]
# Of each command, the arguments, and the bundle that counts.
CALLS: dict[str, tuple[str, Arguments]] = {
    "inspect": (BUNDLE, lambda place: (place.bundle(BUNDLE),)),
    "train": (
        BUNDLE,
        lambda place: (place.bundle(BUNDLE), "--data", place.data, "--out", place.out / "run", "--epochs", "1"),
    ),
    "learn": (ALL_DRIFTS, lambda place: (place.bundle(ALL_DRIFTS), "--data", place.data, "--out", place.out / "run")),
    "tune": (BUNDLE, lambda place: (place.bundle(BUNDLE), "--out", place.out / "run", "--threads", "1")),
    "diagnose": (ALL_DRIFTS, lambda place: (place.bundle(ALL_DRIFTS), "--data", place.data)),
    "eval": (BUNDLE, lambda place: (place.bundle(BUNDLE), "--data", place.data)),
    "predict": (BUNDLE, lambda place: (place.bundle(BUNDLE), place.data)),
    "finalize": (BUNDLE, lambda place: (place.run, "--out", place.out / "model.onnx", "--allow-worse")),
    "bank": (ALL_DRIFTS, lambda place: (place.out / "light.bank", "--add", f"night={place.adapted}")),
    "bench": (BUNDLE, lambda place: (place.bundle(BUNDLE), "--steps", "1")),
    "compare": (
        BUNDLE,
        lambda place: (place.bundle(BUNDLE), "--data", place.data, "--out", place.out / "all", "--epochs", "1"),
    ),
    "doctor": (BUNDLE, lambda place: (place.bundle(BUNDLE),)),
}
