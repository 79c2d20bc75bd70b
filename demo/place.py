"""Where the demo's environments are, and where each thing that it makes goes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from cases import CASES, Case
from surroundings import Surroundings

# Tells a folder that the demo made from one that it must not touch.
MARKER = ".made-by-tbft-edge-demo"
# The cases of few labels, by the names of their files.
NO_LABELS, NEW_CLASS = FEW_LABELS = ("no-labels", "new-class")


@dataclass(frozen=True)
class Place(Surroundings):
    """The folder stands for what travels between the environments."""

    @property
    def data(self) -> Path:
        return self.out / "data"

    def train_data(self, case: Case) -> Path:
        return self.data / f"{case.drift}_train.npz"

    def test_data(self, case: Case) -> Path:
        return self.data / f"{case.drift}_test.npz"

    @property
    def comparison(self) -> Path:
        return self.out / "comparison.html"

    def bundle(self, case: Case, *, full: bool = False) -> Path:
        return self.out / f"{_name(case, full)}.tar.gz"

    def run(self, case: Case, *, full: bool = False) -> Path:
        return self.out / "runs" / _name(case, full)

    def few_bundle(self, name: str) -> Path:
        return self.out / f"{name}.tar.gz"

    def few_run(self, name: str) -> Path:
        return self.out / "runs" / name

    def model(self, case: Case) -> Path:
        return self.out / f"{case.drift}.onnx"


def _name(case: Case, full: bool) -> str:
    return f"{case.drift}-full" if full else case.drift


def prepare(place: Place) -> None:
    """Make the output folder, or remove from it what an earlier run of the demo wrote, and nothing else."""
    place.claim(MARKER)
    for case in CASES:
        for file in (place.model(case), place.train_data(case), place.test_data(case)):
            file.unlink(missing_ok=True)
        for full in (False, True):
            place.bundle(case, full=full).unlink(missing_ok=True)
            shutil.rmtree(place.run(case, full=full), ignore_errors=True)
    for name in FEW_LABELS:
        place.few_bundle(name).unlink(missing_ok=True)
        shutil.rmtree(place.few_run(name), ignore_errors=True)
        for file in place.data.glob(f"{name}_*.npz"):
            file.unlink()
    place.comparison.unlink(missing_ok=True)
