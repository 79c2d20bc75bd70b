"""Where `benchmarks.prepare` puts what is measured, and what each engine needs to know of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from benchmarks.protocol import Network, Subject
from benchmarks.results import Contestant
from tbft_artifacts.bundle import Bundle, open_bundle

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "bench"
BUNDLES = FOLDER / "bundles"
KERNELS = BUNDLES / "kernels"


def prepare(wanted: Iterable[tuple[Contestant, int]], *, official: bool) -> None:
    """Export a bundle for each contestant and image size, in a process of its own: torch is large.

    `official` asks for the artifacts of ORT Training in each.
    """
    names = list(dict.fromkeys(_name(contestant, size) for contestant, size in wanted))
    options = ["--official"] if official else []
    command = [sys.executable, "-m", "benchmarks.prepare", *options, str(BUNDLES), *names]
    with (FOLDER / "prepare.log").open("wb") as log:
        subprocess.run(command, cwd=ROOT, check=True, stdout=log, stderr=log)


@cache
def bundle(name: str) -> Bundle:
    """The bundle `name`, verified."""
    return open_bundle(BUNDLES / name)


def layers_file(network: Network, image_size: int) -> str:
    """Its name, in the folder of the bundles."""
    return f"{network}-{image_size}-layers.json"


def subject(contestant: Contestant, image_size: int) -> Subject:
    """What the contestant trains."""
    found = bundle(_name(contestant, image_size))
    plan = found.plan()
    return Subject(
        network=contestant.network,
        drift=contestant.drift,
        batch_norm=contestant.batch_norm,
        bundle=str(found.folder),
        weights=str(found.weights),
        layers=str(BUNDLES / layers_file(contestant.network, image_size)),
        artifacts=str(found.path(plan.ort_training)),
        trained=tuple(parameter.name for parameter in plan.parameters),
        statistics=plan.batch_statistics,
        part=plan.statistics_part,
        image_size=image_size,
        classes=len(found.manifest.classes),
    )


def _name(contestant: Contestant, image_size: int) -> str:
    return f"{contestant.network}-{contestant.drift}-{contestant.batch_norm}-{image_size}"
