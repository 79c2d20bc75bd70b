"""What a stranger's graph may not do: read the device's files, never end, kill the process, take all memory.

Each is sent as a model by itself, and inside a bundle whose hashes are right, through the real commands.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from support.bundles import IMAGE_SIZE, compiled, compiled_copy, read_manifest, write_manifest
from support.commands import ERROR, Ended
from support.evil_graphs import EVIL, LEAKS, MEMORY, SECRET, STOPS
from support.in_process import run_in_process
from support.onnx_writer import classifier
from support.toys import coloured_squares, save_folders, save_squares
from tbft_artifacts.plan import PREDICT
from tbft_runtime.board.machine import peak_memory

# Above what Python and ONNX Runtime take themselves.
MOST_MEMORY = 700 << 20
# What of a leak would be seen in the logits.
LEAKED = np.float32(1234.5)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    save_folders(folder, *coloured_squares(12))
    return folder


@pytest.fixture(autouse=True)
def beside_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory, in which ONNX Runtime looks for what a model refers to."""
    monkeypatch.chdir(tmp_path)
    Path(SECRET).write_bytes(np.full(1 << 12, LEAKED).tobytes())


def assert_refused(ended: Ended) -> None:
    """One line and a hint."""
    assert ended.code == 2, ended
    assert ERROR.fullmatch(ended.err), ended
    assert ended.out == ""


def evil_bundle(folder: Path, content: bytes, *names: str) -> Path:
    """A bundle in which these graphs are another one, and every hash is right."""
    bundle = compiled_copy("feature-block", folder)
    for name in names:
        (bundle / name).write_bytes(content)
    write_manifest(bundle, read_manifest(bundle))
    return bundle


@pytest.mark.parametrize("name", EVIL)
def test_a_model_that_means_harm_is_refused(name: str, photos: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its path is told; `hoard` asks for little enough at a time to be computed, and stays within the bound."""
    Path("model.onnx").write_bytes(EVIL[name])
    before = peak_memory()
    ended = run_in_process(capfd, "predict", "model.onnx", photos)
    assert peak_memory() - before < MOST_MEMORY
    if name == "memory-hoard":
        assert (ended.code, len(ended.out.splitlines())) == (0, 12)
        return
    assert_refused(ended)
    assert "model.onnx" in ended.err


def test_a_model_that_means_no_harm_is_used(photos: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What the others are made of is no reason to refuse them."""
    Path("model.onnx").write_bytes(classifier())
    ended = run_in_process(capfd, "predict", "model.onnx", photos)
    assert (ended.code, len(ended.out.splitlines())) == (0, 12)


@pytest.mark.parametrize("name", EVIL)
def test_a_bundle_with_such_a_graph_is_refused(
    name: str, tmp_path: Path, photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """To look at it, unless it is only known when it is run, to predict and to train, with right hashes."""
    bundle = evil_bundle(tmp_path / "bundle", EVIL[name], PREDICT)
    inspected = run_in_process(capfd, "inspect", bundle)
    seen = name.partition("-")[2] not in MEMORY or name == "memory-empty-tensor"
    assert_refused(inspected) if seen else None
    assert inspected.code == (2 if seen else 0)
    ended = run_in_process(capfd, "predict", bundle, photos)
    if name != "memory-hoard":
        assert_refused(ended)


ROLES: dict[str, Callable[[Path], tuple[str, ...]]] = {
    "predict": lambda _: (PREDICT,),
    "prefix": lambda bundle: tuple(map(read_manifest(bundle).plans[0].prefix_in, ("direct", "winograd"))),
    "suffix": lambda bundle: (read_manifest(bundle).plans[0].suffix,),
    "gradient": lambda bundle: tuple(map(read_manifest(bundle).plans[0].gradient_in, ("direct", "winograd"))),
    "update": lambda bundle: (read_manifest(bundle).plans[0].update,),
}


@pytest.mark.parametrize("role", ["prefix", "suffix", "gradient", "update"])
@pytest.mark.parametrize("name", ["leak-constant", "leak-second-graph", "stop-div-64", "memory-expand"])
def test_no_graph_of_training_may_be_one(
    role: str, name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever it is there for; nothing is left that looks like a result."""
    source = compiled("feature-block")
    listed = read_manifest(source).files
    names = [each for each in ROLES[role](source) if each in listed]
    bundle = evil_bundle(tmp_path / "bundle", EVIL[name], *names)
    data = save_squares(tmp_path / "data.npz")
    ended = run_in_process(capfd, "train", bundle, "--data", data, "--out", "run", "--epochs", "1")
    assert ended.code == 2, ended
    assert ERROR.search(ended.err), ended
    assert not Path("run", "report.json").exists()


def alone() -> ort.SessionOptions:
    """ONNX Runtime as it is, without what makes graphs faster."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


@pytest.mark.parametrize("name", ["constant", "initializer", "here", "branch", "loop", "function", "second-graph"])
def test_onnx_runtime_alone_would_tell_the_secret(name: str) -> None:
    """So that these tests test something: the content of the file is in the logits; not where it looks nowhere."""
    images = {"images": np.ones((1, 3, IMAGE_SIZE, IMAGE_SIZE), np.float32)}
    options = alone()
    (logits,) = ort.InferenceSession(LEAKS[name], options).run(None, images)
    assert (np.asarray(logits) == LEAKED + 1).all()
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", "/nonexistent")
    with pytest.raises(Exception, match=r"(?i)external|file"):
        ort.InferenceSession(LEAKS[name], options).run(None, images)


@pytest.mark.parametrize("name", ["own-domain", "random", "sequence"])
def test_onnx_runtime_alone_would_compute_it(name: str) -> None:
    """What is refused is no broken model."""
    images = {"images": np.ones((1, 3, IMAGE_SIZE, IMAGE_SIZE), np.float32)}
    (logits,) = ort.InferenceSession(STOPS[name], alone()).run(None, images)
    assert np.shape(logits) == (1, 4)
