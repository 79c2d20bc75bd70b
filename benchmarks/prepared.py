"""Where `benchmarks.prepare` puts what is measured, and what each engine needs to know of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from benchmarks.protocol import Subject
from benchmarks.results import Contestant
from tbft_artifacts.bundle import Bundle, open_bundle

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "bench"
BUNDLES = FOLDER / "bundles"
SGEMM = BUNDLES / "sgemm.onnx"
SGEMM_SIDE = 1024
KERNELS = BUNDLES / "kernels"


def prepare(wanted: Iterable[tuple[Contestant, int]]) -> None:
    """Export a bundle for each contestant and image size, in a process of its own: torch is large."""
    names = sorted({_name(contestant, size) for contestant, size in wanted})
    command = [sys.executable, "-m", "benchmarks.prepare", str(BUNDLES), *names]
    with (FOLDER / "prepare.log").open("wb") as log:
        subprocess.run(command, cwd=ROOT, check=True, stdout=log, stderr=log)


@cache
def bundle(name: str) -> Bundle:
    """The bundle `name`, verified."""
    return open_bundle(BUNDLES / name)


def subject(contestant: Contestant, image_size: int) -> Subject:
    """What the contestant trains."""
    found = bundle(_name(contestant, image_size))
    plan = found.plan()
    return Subject(
        drift=contestant.drift,
        batch_norm=contestant.batch_norm,
        bundle=str(found.folder),
        weights=str(found.weights),
        artifacts=str(found.path(plan.ort_training)),
        trained=tuple(parameter.name for parameter in plan.parameters),
        image_size=image_size,
        classes=len(found.manifest.classes),
        suffix_flops=plan.cost.forward_flops + plan.cost.backward_flops,
        prefix_flops=plan.cost.prefix_flops,
    )


def _name(contestant: Contestant, image_size: int) -> str:
    return f"{contestant.drift}-{contestant.batch_norm}-{image_size}"
