"""Rounds of three devices with 60 images of their own each, merged and alone, in the device environment.

    python -m benchmarks.fleet.rounds --digits BUNDLE --superclasses BUNDLE --data DIGITS

The bundles are of the demo's networks, the data is what `demo/make_data.py` writes. One thread, and nice to others:
half an hour on two cores that are busy with other things. What was measured goes into the file, and from there into the
tables that are printed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from benchmarks.fleet.rounds_page import KEPT, Figures, Results, tables
from benchmarks.fleet.sites import SITES, write_sites
from benchmarks.kept import clear_errors, write_kept
from tbft_artifacts.archive import opened
from tbft_artifacts.plan import Drift
from tbft_edge.console import say
from tbft_fleet.files.round import NormsPolicy
from tbft_fleet.merging.clipping import CLIP
from tbft_fleet.merging.delta import packed
from tbft_fleet.merging.derive import derive
from tbft_fleet.merging.merged_file import MergeRecord, merge_runs
from tbft_fleet.merging.runs import read_runs
from tbft_runtime import TrainOptions, evaluate, train
from tbft_runtime.training.begun import begun_from

NICE = 10
Network = Literal["digits", "superclasses"]


@dataclass(frozen=True)
class Case:
    """What drifted, and how it is answered: so many rounds of `epochs` at each site, of `classes` classes each."""

    name: str
    network: Network
    drift: Drift
    classes: int
    images: int
    rounds: int
    epochs: int
    norms: NormsPolicy | None = None
    lr: float | None = None
    alone: bool = True


CASES = (
    Case("output", "digits", "output", 4, 60, 5, 8),
    Case("feature", "superclasses", "feature", 2, 60, 4, 5),
    Case("input", "digits", "input", 4, 60, 8, 8, lr=0.03),
    Case("input, local statistics", "digits", "input", 4, 60, 8, 8, "local", lr=0.03, alone=False),
    Case("input, frozen statistics", "digits", "input", 4, 60, 8, 8, "frozen", lr=0.03, alone=False),
    Case("input, the plan's learning rate", "digits", "input", 4, 60, 4, 8),
)


@dataclass
class Bed:
    """Sites of one case, and a folder in which every run gets a number."""

    case: Case
    bundle: Path
    test: Path
    plan: str
    folder: Path
    sites: list[Path]
    made: int = 0

    def new(self) -> Path:
        self.made += 1
        return self.folder / str(self.made)

    def trained(self, site: Path, base: Path | None, epochs: int) -> Path:
        """The run of one site."""
        out = self.new()
        options: dict[str, Any] = {"plan": self.plan, "base": base, "lr": self.case.lr, "meter": "none", "threads": 1}
        train(self.bundle, TrainOptions(data=site, out=out, epochs=epochs, patience=epochs, **options))
        return out

    def child(self, source: Path) -> Path:
        """The bundle with the weights of a run, or of a file."""
        out = self.new()
        with opened(self.bundle) as parent:
            derive(parent, begun_from(parent, source).bundle.changed, out)
        return out

    def accuracy(self, model: Path) -> float:
        """On images that no site has."""
        return evaluate(model, self.test, threads=1).accuracy

    def merged(self, runs: list[Path]) -> tuple[list[Path], MergeRecord]:
        """What each site begins the next round with: one file, or with its own statistics one each."""
        found, out = read_runs(runs, {}), self.new()
        if self.case.norms != "local":
            record = merge_runs(found, out, rule="mean", norms=self.case.norms, clip=CLIP)
            return [out] * len(runs), record
        files = [self.new() for _ in runs]
        for number, file in enumerate(files):
            record = merge_runs(found, file, rule="mean", norms="local", clip=CLIP, own=number)
        return files, record


@dataclass(frozen=True)
class Round:
    """What came of one: a bundle for all sites, or one for each."""

    children: list[Path]
    record: MergeRecord


def main() -> None:
    """Errors end as those of the command line do."""
    os.nice(NICE)
    with clear_errors():
        run(_options())


def run(arguments: argparse.Namespace) -> None:
    """Every case, or those whose names begin with what was asked for."""
    known = {each.case: each for each in _kept(arguments.out)}
    bundles = {"digits": arguments.digits, "superclasses": arguments.superclasses}
    for case in CASES:
        if not case.name.startswith(arguments.only):
            continue
        with tempfile.TemporaryDirectory() as name:
            known[case.name] = _measured(case, bundles[case.network], arguments.data, Path(name))
        write_kept(arguments.out, Results(tuple(known[each.name] for each in CASES if each.name in known)))
    sys.stdout.writelines(f"{line}\n" for line in tables(Results(tuple(known.values()))))


def _measured(case: Case, bundle: Path, data: Path, folder: Path) -> Figures:
    began = time.monotonic()
    sites = write_sites(data / f"{case.drift}_train.npz", folder, case.classes, case.images)
    with opened(bundle) as found:
        plan = found.plan(drift=case.drift).id
    bed = Bed(case, bundle, data / f"{case.drift}_test.npz", plan, folder, sites)
    before = bed.accuracy(bundle)
    say(f"{case.name}: {plan}, {before:.1%} before")
    alone = []
    for site in sites if case.alone else ():
        alone.append(bed.accuracy(bed.trained(site, None, case.rounds * case.epochs)))
        say(f"  a site alone, {case.rounds * case.epochs} epochs: {alone[-1]:.1%}")
    after = []
    for last in _rounds(bed):
        after.append(tuple(map(bed.accuracy, last.children)))
        say(f"  round {len(after)}: {', '.join(f'{each:.1%}' for each in after[-1])}")
    packed(bundle, last.children[0], folder / "delta.tar.gz")
    return Figures(
        case=case.name,
        plan=plan,
        images=case.images,
        classes=case.classes,
        epochs=case.epochs,
        norms=last.record.norms,
        lr=case.lr,
        before=before,
        alone=tuple(alone),
        after=tuple(after),
        round_bytes=last.record.bytes,
        model_bytes=last.record.model_bytes,
        delta_bytes=(folder / "delta.tar.gz").stat().st_size,
        seconds=time.monotonic() - began,
    )


def _rounds(bed: Bed) -> Iterator[Round]:
    bases: list[Path] | list[None] = [None] * SITES
    for _ in range(bed.case.rounds):
        pairs = zip(bed.sites, bases, strict=True)
        bases, record = bed.merged([bed.trained(site, base, bed.case.epochs) for site, base in pairs])
        yield Round([bed.child(file) for file in dict.fromkeys(bases)], record)


def _kept(file: Path) -> tuple[Figures, ...]:
    return msgspec.json.decode(file.read_bytes(), type=Results).figures if file.exists() else ()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", type=Path, required=True, help="bundle of demo/digits.safetensors")
    parser.add_argument(
        "--superclasses", type=Path, required=True, help="bundle of demo/digits_superclasses.safetensors"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that demo/make_data.py wrote")
    parser.add_argument("--only", default="", help="cases whose names begin so")
    parser.add_argument("--out", type=Path, default=KEPT, help="where the figures are kept")
    return parser.parse_args()


if __name__ == "__main__":
    main()
