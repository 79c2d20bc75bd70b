"""The real engines on a small data set: each a process of its own, and the same protocol gives the same answers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from support.fake_data_sets import photos, write_batches
from tbft_artifacts.errors import TbftError
from tbft_edge.reproduce.bundles import Bundles
from tbft_edge.reproduce.cache import OutcomeCache
from tbft_edge.reproduce.case import Case
from tbft_edge.reproduce.datasets.cifar10 import as_cifar10
from tbft_edge.reproduce.datasets.open import open_images
from tbft_edge.reproduce.device_engine import DeviceEngine
from tbft_edge.reproduce.device_python import check_device_python, default_device_python
from tbft_edge.reproduce.pools import Pool, pool_parts
from tbft_edge.reproduce.preset import WITHOUT_LABELS, Extent, protocol_of, trials
from tbft_edge.reproduce.pytorch_engine import PyTorchEngine
from tbft_edge.reproduce.runner import Runner
from tbft_edge.reproduce.source_network import given_network
from tbft_edge.reproduce.suites.cifar_flip import cifar_flip
from tbft_edge.reproduce.suites.suite import Sources
from tbft_edge.reproduce.trial import Trial
from tbft_export.sources.resnet26 import ResNet26

IMAGES = 200


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Random photos, and a network that was never trained: the same in every run, and one that learns something."""
    torch.manual_seed(1)
    write_batches(tmp_path / "data", {"test_batch": photos(IMAGES)})
    save_file(ResNet26(10).state_dict(), tmp_path / "network.safetensors")
    network = given_network("cifar-flip", tmp_path / "network.safetensors")
    return Sources(tmp_path / "data", network, tmp_path / "work", "quick")


@pytest.mark.long
def test_the_papers_protocol_ends_alike_in_pytorch_and_on_the_device(tmp_path: Path, sources: Sources) -> None:
    """Through files and processes, as `tbft-edge reproduce` runs them: data, seed and settings all arrive."""
    python = default_device_python()
    if not python.exists():
        pytest.skip(f"no device environment at {python}")
    (case,) = cifar_flip(sources).cases
    bundles = Bundles(tmp_path / "bundles")
    runner = Runner(
        engines={"device": DeviceEngine(python, bundles, 1, "none"), "pytorch": PyTorchEngine(1)},
        bundles=bundles,
        cache=OutcomeCache(tmp_path / "trials"),
        work=tmp_path / "work",
        jobs=2,
    )
    trials = [Trial(case=case.name, engine=name, recipe="paper", block="fc", size=10) for name in ("device", "pytorch")]
    before = Trial(case=case.name, engine="device", recipe="statistics", block=None, size=10)
    planned = [runner.plan(case, trial, protocol_of("cifar-flip", "quick", trial)) for trial in (*trials, before)]
    device, pytorch, statistics = (record.outcome for record in runner.run(planned, lambda _: None))
    assert (device.epochs, device.best_epoch) == (pytorch.epochs, pytorch.best_epoch)
    assert device.epochs >= 5
    assert device.accuracy == pytorch.accuracy
    assert device.validation_accuracy == pytorch.validation_accuracy
    assert device.test_images == pytorch.test_images == statistics.test_images == IMAGES * 0.15
    assert statistics.epochs == 0
    assert not list((tmp_path / "work").glob("trials-*"))


@pytest.mark.long
def test_every_method_without_labels_runs_on_a_pool_without_labels(tmp_path: Path, sources: Sources) -> None:
    """Nothing validates, the pool's file has no label, and the classes that it has are told apart from all."""
    python = default_device_python()
    if not python.exists():
        pytest.skip(f"no device environment at {python}")
    photos = as_cifar10(open_images(sources.data, "test"), sources.data)
    seen = tuple(np.unique(photos.labels).tolist())
    pool = Pool(32, (), 0, classes=seen)
    case = Case("pool", "block1", sources.network, lambda _: pool_parts(photos, pool, 50, "photos"), "pool", seen)
    bundles = Bundles(tmp_path / "bundles")
    engines = {"device": DeviceEngine(python, bundles, 1, "none"), "pytorch": PyTorchEngine(1)}
    runner = Runner(engines, bundles, OutcomeCache(tmp_path / "trials"), tmp_path / "work", 1)  # type: ignore[arg-type]
    planned = [runner.plan(case, trial, None) for trial in trials([case], Extent((100,), 1, cells=WITHOUT_LABELS))]
    records = runner.run(planned, lambda _: None)
    assert [record.trial.recipe for record in records] == [cell.recipe for cell in WITHOUT_LABELS]
    for record in records:
        assert record.outcome.test_images == 50
        assert record.outcome.validation_accuracy is None
        assert record.outcome.seen_accuracy == pytest.approx(record.outcome.accuracy)  # All ten are seen.


def test_what_an_engine_says_reaches_the_user(tmp_path: Path, sources: Sources) -> None:
    """Not a traceback, and not the exit code alone."""
    (case,) = cifar_flip(sources).cases
    np.savez(tmp_path / "broken.npz", images=np.zeros((1, 8, 8, 3), np.uint8))
    save_file({"fc.bias": ResNet26(10).state_dict()["fc.bias"]}, sources.network.weights)
    trial = Trial(case=case.name, engine="pytorch", recipe="paper", block="fc", size=10)
    runner = Runner(
        {"pytorch": PyTorchEngine(1)}, Bundles(tmp_path), OutcomeCache(tmp_path / "trials"), tmp_path / "work", 1
    )
    planned = [runner.plan(case, trial, protocol_of("cifar-flip", "quick", trial))]
    with pytest.raises(TbftError, match=r"an engine failed: .*network\.safetensors") as caught:
        runner.run(planned, lambda _: None)
    assert "tbft_edge.reproduce.pytorch.worker" in caught.value.hint


def test_only_a_devices_python_is_taken(tmp_path: Path) -> None:
    """Timings on a training build, or with torch beside it, would not be a device's."""
    with pytest.raises(TbftError, match=r"is no device's Python: it .*has torch"):
        check_device_python(Path(sys.executable))
    with pytest.raises(TbftError, match="there is no Python at"):
        check_device_python(tmp_path / "python")
