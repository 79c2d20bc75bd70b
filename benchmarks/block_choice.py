"""Does the device choose the right block? Train every block in many cases, and ask `tbft-edge diagnose` in each.

    python -m benchmarks.block_choice --data CIFAR10 --weights RESNET26 --source5-weights RESNET26_5 --out FOLDER

Trials are those of `tbft-edge reproduce`, by the bundle's defaults on 10 % of the images, and are kept in the same
way: a second call goes on where the first one stopped. `FOLDER/block-choice.json` holds what came out.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.block_choice_results import BlockChoices, Choice
from benchmarks.device import Device
from benchmarks.kept import clear_errors, write_kept
from tbft_edge import fingerprint
from tbft_edge.commands.reproduce import say_trial
from tbft_edge.console import say
from tbft_edge.reproduce.blocks import BLOCKS, MODULES, PaperBlock
from tbft_edge.reproduce.case import Case
from tbft_edge.reproduce.datasets.cifar10_c import PAPER_CORRUPTIONS
from tbft_edge.reproduce.datasets.relabel import cyclic, flip, permutation, swap_pairs
from tbft_edge.reproduce.device_python import check_device_python, default_device_python
from tbft_edge.reproduce.engine import write_parts
from tbft_edge.reproduce.pytorch.parameter_noise import NOISE
from tbft_edge.reproduce.runner import Runner
from tbft_edge.reproduce.session import Options, make_runner
from tbft_edge.reproduce.source_network import given_network
from tbft_edge.reproduce.suites.cifar10_c import corruption_case
from tbft_edge.reproduce.suites.cifar_flip import Relabelling, relabelled_case
from tbft_edge.reproduce.suites.motivation import noise_case
from tbft_edge.reproduce.suites.source5 import known_classes_case, subclasses_case
from tbft_edge.reproduce.suites.suite import Sources
from tbft_edge.reproduce.trial import Outcome, Trial

CANDIDATES: tuple[PaperBlock, ...] = BLOCKS[:-1]
SIZE = 10
# Of every kind one at severity 3: noise, blur, weather and what cameras and programs do.
MILDER = ("gaussian_noise", "glass_blur", "snow", "fog", "contrast", "jpeg_compression")
# For the other network.
OF_FIVE_CLASSES = (
    *((name, 5) for name in ("gaussian_noise", "glass_blur", "fog", "contrast", "jpeg_compression")),
    *((name, 3) for name in ("gaussian_noise", "fog")),
)
RELABELLINGS: dict[str, Relabelling] = {
    "flip": flip,
    "cyclic": cyclic,
    "swap-pairs": swap_pairs,
    "permutation": partial(permutation, seed=1),
}


def main() -> None:
    """Errors end as those of the command line do."""
    with clear_errors():
        run(_options())


def run(arguments: argparse.Namespace) -> None:
    """Train, diagnose, write."""
    options = Options(
        suite="cifar10-c",
        data=arguments.data,
        weights=arguments.weights,
        train_source=None,
        out=arguments.out,
        device_python=arguments.device_python,
        preset="quick",
        jobs=arguments.jobs,
        threads=1,
        meter="none",
        breeds=None,
    )
    check_device_python(options.device_python)
    runner = make_runner(options)
    cases = [
        *_corruption_cases(options, arguments.weights, arguments.data, 5, PAPER_CORRUPTIONS),
        *_label_and_noise_cases(options, arguments.weights, arguments.data),
        *_source5_cases(options, arguments.source5_weights, arguments.data),
        *_corruption_cases(options, arguments.weights, arguments.data, 3, MILDER),
    ]
    planned = [
        runner.plan(case, Trial(case=case.name, engine="device", recipe="default", block=block, size=SIZE), None)
        for case in cases
        for block in CANDIDATES
    ]
    records = runner.run(planned, say_trial)
    if arguments.truth_only:
        return
    outcomes = {(record.trial.case, record.trial.block): record.outcome for record in records}
    choose = partial(_choices, runner, options.device_python, outcomes, range(arguments.seeds))
    with ThreadPoolExecutor(options.jobs) as pool:
        choices = [choice for found in pool.map(choose, cases) for choice in found]
    path = options.out / "block-choice.json"
    write_kept(path, BlockChoices(tuple(choices)))
    right = sum(choice.is_right for choice in choices)
    say(f"{path}: {right} of {len(choices)} choices are the best block, or within 1 point of it")
    for choice in choices:
        if not choice.is_right:
            say(f"  {choice.case}: chose {choice.chosen}, {choice.lost_points:.1f} points below {choice.best}")


def _corruption_cases(
    options: Options, weights: Path, images: Path, severity: int, names: Sequence[str]
) -> Iterator[Case]:
    sources = Sources(images, given_network("cifar10-c", weights), options.out / "work", "quick")
    data = fingerprint.of_data(images)
    for name in names:
        yield dataclasses.replace(corruption_case(sources, name, severity, data), name=f"{name}-{severity}")


def _label_and_noise_cases(options: Options, weights: Path, images: Path) -> Iterator[Case]:
    sources = Sources(images, given_network("cifar10-c", weights), options.out / "work", "quick")
    data = fingerprint.of_data(images)
    for name, relabelling in RELABELLINGS.items():
        yield relabelled_case(sources, name, relabelling, data)
    for block, sigma in NOISE.items():
        yield noise_case(sources, block, sigma, data)


def _source5_cases(options: Options, weights: Path, images: Path) -> Iterator[Case]:
    """Another network, of five classes, on subclasses that it never saw; also with drifts on top."""
    sources = Sources(images, given_network("source5", weights), options.out / "work", "quick")
    data = fingerprint.of_data(images)
    yield subclasses_case(sources, data)
    yield known_classes_case(sources, "source5-cyclic", data, relabelling=cyclic)
    for corruption in OF_FIVE_CLASSES:
        yield known_classes_case(sources, "source5-{}-{}".format(*corruption), data, corruption=corruption)
    for block in ("block2", "block3"):
        noisy = noise_case(sources, block, NOISE[block], data)
        yield dataclasses.replace(
            known_classes_case(sources, f"source5-{noisy.name}", data), network=noisy.network, target=block
        )


def _choices(
    runner: Runner,
    python: Path,
    outcomes: dict[tuple[str, PaperBlock | None], Outcome],
    seeds: Sequence[int],
    case: Case,
) -> list[Choice]:
    """What `diagnose` says on the very images that train, with each seed."""
    bundle = runner.bundles.bundle(case.network, "default", None)
    trained = {block: outcomes[case.name, block] for block in CANDIDATES}
    with tempfile.TemporaryDirectory() as folder:
        data = write_parts(case.load(SIZE), Path(folder))
        return [_choice(case, trained, seed, _diagnose(python, bundle.folder, data.train, seed)) for seed in seeds]


def _diagnose(python: Path, bundle: Path, data: Path, seed: int) -> Said:
    said = Device(python).asked("diagnose", bundle, "--data", data, "--seed", seed, "--threads", 1)
    return msgspec.json.decode(said, type=Said)


def _choice(case: Case, trained: dict[PaperBlock, Outcome], seed: int, said: Said) -> Choice:
    chosen = next(block for block in CANDIDATES if set(MODULES[block]) == set(said.blocks))
    return Choice(
        case=case.name,
        seed=seed,
        accuracy={block: outcome.accuracy for block, outcome in trained.items()},
        test_images=trained[chosen].test_images,
        chosen=chosen,
        reason="; ".join(said.reasons),
        seconds=said.seconds,
        saved_seconds=sum(outcome.seconds for block, outcome in trained.items() if block != chosen),
    )


class Said(msgspec.Struct):
    """The part of `diagnose --json` that counts here."""

    blocks: tuple[str, ...]
    reasons: tuple[str, ...]
    seconds: float


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Does the device choose the right block?")
    parser.add_argument("--data", type=Path, required=True, help="CIFAR-10, for the test set")
    parser.add_argument("--weights", type=Path, required=True, help="ResNet-26 of ten classes")
    parser.add_argument("--source5-weights", type=Path, required=True, help="ResNet-26 of five classes")
    parser.add_argument("--out", type=Path, required=True, help="folder; that of 'tbft-edge reproduce' shares trials")
    parser.add_argument("--device-python", type=Path, default=default_device_python())
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seeds", type=int, default=1, help="diagnoses per case, each on other samples")
    parser.add_argument("--truth-only", action="store_true", help="train every block, and choose none")
    return parser.parse_args()


if __name__ == "__main__":
    main()
