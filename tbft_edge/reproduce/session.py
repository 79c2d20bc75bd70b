"""`reproduce`: from what the user gives to the results of a suite."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tbft_artifacts.errors import TbftError
from tbft_edge import fingerprint
from tbft_edge.origin import Origin
from tbft_edge.reproduce.bundles import Bundles
from tbft_edge.reproduce.cache import OutcomeCache
from tbft_edge.reproduce.device_engine import DeviceEngine
from tbft_edge.reproduce.device_python import check_device_python
from tbft_edge.reproduce.preset import Preset, protocol_of, trials
from tbft_edge.reproduce.protocol import Suite as SuiteName
from tbft_edge.reproduce.pytorch_engine import PyTorchEngine
from tbft_edge.reproduce.results import FORMAT, TRAINED_ON, CaseSummary, Results, write_results
from tbft_edge.reproduce.runner import Runner, TrialEnded
from tbft_edge.reproduce.source_network import given_network, trained_network
from tbft_edge.reproduce.suites.registry import SUITES
from tbft_edge.reproduce.suites.suite import Sources, Suite
from tbft_edge.reproduce.suites.system_cost import system_cost

if TYPE_CHECKING:
    from tbft_edge.reproduce.pytorch.source_training import SourceEpoch


@dataclass(frozen=True)
class Options:
    """What to run, on what, and where.

    The network comes from `weights`, or is trained on `train_source`. `threads` are those of each of `jobs` trials
    that run at a time. The suite system-cost needs neither data nor a network.
    """

    suite: SuiteName
    data: Path | None
    weights: Path | None
    train_source: Path | None
    out: Path
    device_python: Path
    preset: Preset
    jobs: int
    threads: int
    meter: str
    breeds: Path | None


@dataclass(frozen=True)
class Watch:
    """Who hears what goes on: the trials of the suite, each that ends, and each epoch of the source network.

    `planned` hears how many there are, and about how many minutes will pass; None where nobody knows.
    """

    planned: Callable[[int, float | None], None]
    trial: Callable[[TrialEnded], None]
    source_epoch: Callable[[SourceEpoch], None]


def reproduce(options: Options, watch: Watch) -> Results:
    """Run what `options.out` does not hold yet, and write `<suite>.json` there.

    Raises TbftError for data or weights that do not fit, for a
    Python without the stock onnxruntime wheel, and when a trial fails; finished trials are kept.
    """
    versions = check_device_python(options.device_python)
    options.out.mkdir(parents=True, exist_ok=True)
    suite, data, weights = _open_suite(options, watch)
    runner = make_runner(options)
    cases = {case.name: case for case in suite.cases}
    planned = [
        runner.plan(cases[trial.case], trial, protocol_of(options.suite, options.preset, trial))
        for trial in trials(suite.cases, suite.extent)
    ]
    watch.planned(len(planned), runner.minutes(planned, suite.trial_seconds))
    records = runner.run(planned, watch.trial)
    tested = {record.trial.case: record.outcome.test_images for record in records}
    results = Results(
        format=FORMAT,
        suite=options.suite,
        preset=options.preset,
        data=data,
        weights=weights,
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
        jobs=options.jobs,
        threads=options.threads,
        meter=options.meter,
        versions=versions | {"torch": version("torch")},
        cases=tuple(CaseSummary(case.name, case.target, tested[case.name], case.scenario) for case in suite.cases),
        records=tuple(records),
    )
    write_results(results, options.out / f"{options.suite}.json")
    return results


def _open_suite(options: Options, watch: Watch) -> tuple[Suite, str, str]:
    """(suite, what its data are, what its network is)"""
    work = options.out / "work"
    if options.suite == "system-cost":
        return system_cost(work), "random pixels", "fresh networks"
    if options.data is None or (options.weights is None) == (options.train_source is None):
        raise TbftError(
            f"{options.suite} needs images of the field, and a trained network or images to train one on",
            "give --data, and --weights or --train-source",
        )
    if options.weights is not None:
        network = given_network(options.suite, options.weights)
        weights = str(Origin(options.weights.name, network.digest))
    else:
        assert options.train_source is not None
        network = trained_network(options.suite, options.train_source, work, options.jobs, watch.source_epoch)
        weights = f"{TRAINED_ON}{Origin(options.train_source.name, network.digest)}"
    suite = SUITES[options.suite](Sources(options.data, network, work, options.preset, options.breeds))
    return suite, str(Origin(options.data.name, fingerprint.of_data(options.data))), weights


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
        meter=options.meter,
    )
