"""What the docstrings of public functions promise: every parameter is described, and every example runs."""

from __future__ import annotations

import inspect
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

import tbft_runtime
from support.bundles import ALL_DRIFTS, CLASSES, compiled
from support.docstrings import names_in, parameters, run_example, sections
from support.runs import fine_tune
from support.toys import coloured_squares, png, save_folders
from tbft_artifacts.archive import opened
from tbft_artifacts.bundle import open_bundle
from tbft_runtime import Bank, MetricsFile, Predictor, finalize, make_bank

PUBLIC = [getattr(tbft_runtime, name) for name in tbft_runtime.__all__]
CALLED = [
    *filter(inspect.isfunction, PUBLIC),
    *(MetricsFile, Predictor.open, Predictor.predict, Bank.open, Bank.predict),
    *(open_bundle, opened),
]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What examples work on: a bundle, photos, two runs, and a model and a bank of one of them."""
    folder = tmp_path_factory.mktemp("places")
    shutil.copytree(compiled(ALL_DRIFTS), folder / "bundle")
    with tarfile.open(folder / "bundle.tar.gz", "w:gz") as tar:
        tar.add(folder / "bundle", ".")
    images, labels = coloured_squares(48)
    save_folders(folder / "photos", images, labels)
    (folder / "photo.png").write_bytes(png(images[CLASSES.index("bee")]))
    fine_tune(folder / "bundle", folder / "photos", folder / "run", drift="feature")
    fine_tune(folder / "bundle", folder / "photos", folder / "run-full", drift="full")
    finalize(folder / "run", folder / "model.onnx")
    make_bank(folder / "light.bank", {"night": folder / "run"}, threads=1)
    return folder


def name_of(described: Any) -> str:
    return str(getattr(described, "__qualname__", described.__name__))


@pytest.mark.parametrize("described", [tbft_runtime, *CALLED], ids=name_of)
def test_the_example_runs(described: Any, places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there, with what it says it prints, in a folder with the files that it names."""
    shutil.copytree(places, tmp_path, dirs_exist_ok=True)
    if "out=" in (inspect.getdoc(described) or ""):
        shutil.rmtree(tmp_path / "run")  # This one makes it.
    monkeypatch.chdir(tmp_path)
    assert run_example(described) == ""


@pytest.mark.parametrize("function", CALLED, ids=name_of)
def test_everything_that_is_given_is_described(function: Any) -> None:
    """Args are the parameters, in their order; there is a word on what comes back, on errors, and an example."""
    found = sections(function)
    assert names_in(found["Args"]) == parameters(function)
    assert "TbftError" in names_in(found["Raises"])
    assert inspect.isclass(function) or (found.get("Returns") or found["Yields"]).strip()
    assert list(found)[-1] == "Example"


def test_an_example_that_is_wrong_would_be_found() -> None:
    """The test above can fail."""

    def wrong() -> None:
        """Add.

        Example:
            >>> 1 + 1
            3
        """

    assert "Expected:\n    3\nGot:\n    2" in run_example(wrong)
