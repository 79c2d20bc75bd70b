"""`reproduce`: from what the user gives to the results of a suite."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce import fingerprint
from tbft_edge.reproduce.bundles import Bundles
from tbft_edge.reproduce.cache import OutcomeCache
from tbft_edge.reproduce.case import Network
from tbft_edge.reproduce.device_engine import DeviceEngine
from tbft_edge.reproduce.device_python import check_device_python
from tbft_edge.reproduce.preset import Preset, protocol_of, trials
from tbft_edge.reproduce.protocol import Suite as SuiteName
from tbft_edge.reproduce.pytorch_engine import PyTorchEngine
from tbft_edge.reproduce.results import FORMAT, CaseSummary, Results, write_results
from tbft_edge.reproduce.runner import Progress, Runner
from tbft_edge.reproduce.suites.registry import SUITES
from tbft_edge.reproduce.suites.suite import Sources

SIDE = {"living17": 128}
_CIFAR_SIDE = 32


@dataclass(frozen=True)
class Options:
    """What to run, on what, and where. `threads` are those of each of `jobs` trials that run at a time."""

    suite: SuiteName
    data: Path
    weights: Path
    out: Path
    device_python: Path
    preset: Preset
    jobs: int
    threads: int
    meter: str
    breeds: Path | None


def reproduce(options: Options, on_planned: Callable[[int], None], on_trial: Callable[[Progress], None]) -> Results:
    """Run what `options.out` does not hold yet, and write `<suite>.json` there.

    `on_planned` hears how many trials the suite has. Raises TbftError for data or weights that do not fit, for a
    Python without the stock onnxruntime wheel, and when a trial fails; finished trials are kept.
    """
    versions = check_device_python(options.device_python)
    if not options.weights.is_file():
        raise TbftError(f"weights '{options.weights}' do not exist", "give a trained checkpoint, or --train-source")
    network = Network(options.weights, fingerprint.of_file(options.weights), SIDE.get(options.suite, _CIFAR_SIDE))
    options.out.mkdir(parents=True, exist_ok=True)
    sources = Sources(options.data, network, options.out / "work", options.preset, options.breeds)
    suite = SUITES[options.suite](sources)
    runner = make_runner(options)
    cases = {case.name: case for case in suite.cases}
    planned = [
        runner.plan(cases[trial.case], trial, protocol_of(options.suite, options.preset, trial))
        for trial in trials(suite.cases, suite.extent)
    ]
    on_planned(len(planned))
    records = runner.run(planned, on_trial)
    results = Results(
        format=FORMAT,
        suite=options.suite,
        preset=options.preset,
        data=f"{options.data.name} ({fingerprint.of_data(options.data)})",
        weights=f"{options.weights.name} ({network.digest})",
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        jobs=options.jobs,
        threads=options.threads,
        meter=options.meter,
        versions=versions | {"torch": version("torch")},
        cases=tuple(CaseSummary(case.name, case.target) for case in suite.cases),
        records=tuple(records),
    )
    write_results(results, options.out / f"{options.suite}.json")
    return results


def make_runner(options: Options) -> Runner:
    """Both engines, and the cache of finished trials in `options.out`."""
    bundles = Bundles(options.out / "bundles")
    device = DeviceEngine(options.device_python, bundles, options.threads, options.meter)
    return Runner(
        engines={"device": device, "pytorch": PyTorchEngine(options.threads)},
        bundles=bundles,
        cache=OutcomeCache(options.out / "trials"),
        work=options.out / "work",
        jobs=options.jobs,
    )
