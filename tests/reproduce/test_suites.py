"""Every suite runs from data of the real form, and each case's data are what the paper says.

Engines are stood in for here; `test_both_engines.py` runs the real ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from support.counting_engine import CountingEngine
from support.fake_data_sets import photos, write_batches, write_cifar10_c, write_hierarchy, write_pictures
from support.living_things import LEAVES
from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.bundles import Bundles
from tbft_edge.reproduce.cache import OutcomeCache
from tbft_edge.reproduce.case import Case
from tbft_edge.reproduce.datasets.cifar10_c import PAPER_CORRUPTIONS
from tbft_edge.reproduce.datasets.living17_table import LIVING17
from tbft_edge.reproduce.datasets.source5 import FIELD
from tbft_edge.reproduce.preset import protocol_of, trials
from tbft_edge.reproduce.protocol import Suite as SuiteName
from tbft_edge.reproduce.runner import Planned, Runner
from tbft_edge.reproduce.source_network import given_network
from tbft_edge.reproduce.suites.registry import SUITES
from tbft_edge.reproduce.suites.suite import Sources
from tbft_edge.reproduce.suites.system_cost import system_cost
from tbft_edge.reproduce.trial import Record
from tbft_export.sources.resnet26 import ResNet26

IMAGES = 100


@dataclass
class Opened:
    """A suite that was run with engines that train nothing: its cases, and what the engines were given."""

    cases: dict[str, Case]
    records: list[Record]
    labels: dict[str, np.ndarray] = field(default_factory=dict)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "network.safetensors"
    save_file(ResNet26(10).state_dict(), path)
    return path


@pytest.fixture
def open_and_run(tmp_path: Path, weights: Path) -> Callable[..., Opened]:
    """Run a suite on data in `tmp_path / "data"`."""

    def run(name: SuiteName, **sources: Path) -> Opened:
        network = given_network(name, weights)
        suite = SUITES[name](Sources(tmp_path / "data", network, tmp_path / "work", "quick", **sources))
        engine = CountingEngine()
        runner = Runner(
            {"device": engine, "pytorch": engine}, Bundles(tmp_path), OutcomeCache(tmp_path / "t"), tmp_path, 2
        )
        cases = {case.name: case for case in suite.cases}
        planned = [
            Planned(cases[trial.case], trial, protocol_of(name, "quick", trial), {"trial": repr(trial)})
            for trial in trials(suite.cases, suite.extent)
        ]
        return Opened(cases, runner.run(planned, lambda _: None))

    return run


def test_cifar10_c_runs_from_its_folder(tmp_path: Path, open_and_run: Callable[..., Opened]) -> None:
    """Severity 5 of each of the 15 files; 15 % of the images test, 15 % validate, 10 % train."""
    images = write_cifar10_c(tmp_path / "data", PAPER_CORRUPTIONS, IMAGES)
    opened = open_and_run("cifar10-c")
    assert list(opened.cases) == list(PAPER_CORRUPTIONS)
    for name, case in opened.cases.items():
        parts = case.load(10)
        assert (len(parts.train), len(parts.validation), len(parts.test)) == (10, 15, 15)
        strongest = {image.tobytes() for image in images[name][-IMAGES:]}
        assert {image.tobytes() for image in parts.test.images} <= strongest
    found = Counter((record.trial.engine, record.trial.recipe) for record in opened.records)
    assert found["device", "default"] == 15 * 5
    assert found["pytorch", "paper"] == 2 * 2


def test_a_missing_corruption_is_named_before_anything_runs(
    tmp_path: Path, open_and_run: Callable[..., Opened]
) -> None:
    write_cifar10_c(tmp_path / "data", PAPER_CORRUPTIONS[1:], IMAGES)
    with pytest.raises(TbftError, match=rf"has no {PAPER_CORRUPTIONS[0]}\.npy") as caught:
        open_and_run("cifar10-c")
    assert "zenodo" in caught.value.hint


def test_cifar_flip_runs_from_the_batches(tmp_path: Path, open_and_run: Callable[..., Opened]) -> None:
    """The clean test images; each label is what nine minus it was."""
    images, labels = photos(IMAGES)
    write_batches(tmp_path / "data", {"test_batch": (images, labels)})
    (case,) = open_and_run("cifar-flip").cases.values()
    before = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    parts = case.load(10)
    for part in (parts.train, parts.validation, parts.test):
        assert [before[image.tobytes()] for image in part.images] == [9 - label for label in part.labels]


def test_motivation_disturbs_one_network_per_block(
    tmp_path: Path, weights: Path, open_and_run: Callable[..., Opened]
) -> None:
    images, labels = photos(IMAGES)
    write_batches(tmp_path / "data", {"test_batch": (images, labels)})
    opened = open_and_run("motivation")
    assert [case.target for case in opened.cases.values()] == ["block1", "block2", "block3", "fc"]
    digests = {case.network.digest for case in opened.cases.values()}
    assert len(digests | {given_network("motivation", weights).digest}) == 5


def test_living17_runs_from_an_imagenet_folder(tmp_path: Path, open_and_run: Callable[..., Opened]) -> None:
    """34 classes of pictures of any size, and the hierarchy that says which they are."""
    targets = [wnid for row in LIVING17 for wnid in row.target]
    write_pictures(tmp_path / "data" / "train", targets, 10)
    write_hierarchy(tmp_path / "breeds", LEAVES)
    opened = open_and_run("living17", breeds=tmp_path / "breeds")
    (case,) = opened.cases.values()
    parts = case.load(10)
    assert parts.train.images.shape == (34, 128, 128, 3)
    assert Counter(parts.train.labels.tolist()) == dict.fromkeys(range(17), 2)
    assert case.network.image_size == 128


def test_source5_shows_unseen_subclasses(tmp_path: Path, open_and_run: Callable[..., Opened]) -> None:
    images, labels = photos(IMAGES)
    write_batches(tmp_path / "data", {"test_batch": (images, labels)})
    (case,) = open_and_run("source5").cases.values()
    assert case.load(10).train.classes == tuple(FIELD.values())


def test_the_system_cost_needs_no_data(tmp_path: Path) -> None:
    suite = system_cost(tmp_path)
    assert [case.name for case in suite.cases] == ["32 px", "128 px"]
    shapes = {case.name: case.load(100).train.images.shape[1:] for case in suite.cases}
    assert shapes == {"32 px": (32, 32, 3), "128 px": (128, 128, 3)}
    again = system_cost(tmp_path)
    assert [case.network for case in again.cases] == [case.network for case in suite.cases]
