"""One exported bundle, one run and one finalized model that many tests look at."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from support.bundles import CLASSES
from support.commands import DEVICE, EXPORT, HOST, Step, run
from support.toys import save_squares


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="session")
def data(place: Path) -> Path:
    """48 labelled images."""
    return save_squares(place / "data.npz")


@pytest.fixture(scope="session")
def fresh(place: Path) -> Path:
    """40 other labelled images."""
    return save_squares(place / "fresh.npz", 40, seed=1)


@pytest.fixture(scope="session")
def exported(place: Path) -> Step:
    """`export` into an archive."""
    path = place / "bundle.tar.gz"
    return Step(path, run(HOST, *EXPORT, "--classes", ",".join(CLASSES), "--out", path, "--json"))


@pytest.fixture(scope="session")
def bundle(place: Path, exported: Step) -> Path:
    """The same bundle as a folder."""
    assert exported.ended.code == 0, exported.ended
    with tarfile.open(exported.path) as tar:
        tar.extractall(place / "bundle", filter="data")
    return place / "bundle"


@pytest.fixture(scope="session")
def trained(place: Path, exported: Step, data: Path) -> Step:
    """`train` from the archive."""
    path = place / "run"
    options = ("--data", data, "--out", path, "--epochs", "10", "--threads", "1", "--json")
    return Step(path, run(DEVICE, "train", exported.path, *options))


@pytest.fixture(scope="session")
def finalized(place: Path, trained: Step) -> Step:
    """`finalize` of that run."""
    assert trained.ended.code == 0, trained.ended
    path = place / "model.onnx"
    return Step(path, run(DEVICE, "finalize", trained.path, "--out", path, "--json"))
