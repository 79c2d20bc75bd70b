"""What is used of a bundle is what was verified: whoever changes a file meanwhile is found out, in one line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.bundles import SPARSE, compiled, compiled_copy
from support.runs import Recorder, fine_tune
from support.toys import save_squares
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import WEIGHTS
from tbft_artifacts.plan import PREDICT
from tbft_runtime import finalize
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.inference import model as inference

CHANGED = "is not what was verified: its content changed"
GONE = "cannot be read any more"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_squares(tmp_path_factory.mktemp("data") / "data.npz")


@dataclass
class Meddler(Recorder):
    """Does something to the bundle as soon as a phase begins."""

    phase: str = ""
    does: Callable[[], object] = list

    def begin(self, what: str, total: int) -> None:
        super().begin(what, total)
        if what.startswith(self.phase):
            self.does()


def replace_file(path: Path, content: bytes) -> None:
    """As a program does that updates a folder."""
    other = path.with_suffix(".other")
    other.write_bytes(content)
    other.replace(path)


@pytest.mark.parametrize("phase", ["evaluating", "epoch 1 of", "epoch 2 of"])
def test_a_graph_that_changes_while_training_ends_the_run(phase: str, data: Path, tmp_path: Path) -> None:
    """The suffix is loaded in every epoch; another valid graph in its place is no less another one."""
    bundle = compiled_copy("feature-frozen", tmp_path / "bundle")
    plan = open_bundle(bundle).plan()
    other = (bundle / plan.suffix).read_bytes() + b"\x12\x00"  # The same graph, with an empty name of who made it.
    meddler = Meddler(phase=phase, does=lambda: replace_file(bundle / plan.suffix, other))
    with pytest.raises(TbftError, match=CHANGED) as caught:
        fine_tune(bundle, data, tmp_path / "run", meddler, epochs=3)
    assert plan.suffix in caught.value.message
    assert str(bundle) in caught.value.message


def test_a_drive_that_is_pulled_out_is_a_clear_error(data: Path, tmp_path: Path) -> None:
    """And what was trained until then is kept: with the bundle back the run goes on."""
    bundle = compiled_copy("feature-frozen", tmp_path / "bundle")
    away = tmp_path / "away"
    meddler = Meddler(phase="epoch 2 of", does=lambda: bundle.rename(away))
    with pytest.raises(TbftError, match=GONE) as caught:
        fine_tune(bundle, data, tmp_path / "run", meddler, epochs=3)
    assert "drive" in caught.value.hint
    away.rename(bundle)
    assert fine_tune(bundle, data, tmp_path / "run", epochs=3, resume=True).epochs == 3


@pytest.mark.parametrize("name", [PREDICT, WEIGHTS])
@pytest.mark.parametrize("change", ["other", "longer", "shorter", "gone", "folder", "pipe"])
def test_whatever_became_of_a_file_is_told(name: str, change: str, tmp_path: Path) -> None:
    """Nothing waits for a pipe, and no more is read than was listed."""
    opened = open_bundle(compiled_copy("feature-frozen", tmp_path / "bundle"))
    path = opened.path(name)
    content = path.read_bytes()
    path.unlink()
    match change:
        case "other":
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "longer" | "shorter":
            path.write_bytes(content + b"\0" if change == "longer" else content[:-1])
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
    with pytest.raises(TbftError, match=GONE if change in ("gone", "folder", "pipe") else CHANGED) as caught:
        opened.load_weights() if name == WEIGHTS else bundle_graph(opened, name)
    assert name in caught.value.message


def test_every_reader_of_a_bundle_verifies(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training, choosing channels, finalizing and predicting read graphs and weights in no other way."""
    read: list[str] = []
    genuine = Bundle.read

    def noted(self: Bundle, name: str) -> bytes:
        read.append(name)
        return genuine(self, name)

    monkeypatch.setattr(Bundle, "read", noted)
    bundle = compiled_copy(SPARSE, tmp_path / "bundle")
    plans = open_bundle(bundle).manifest.plans
    fine_tune(bundle, data, tmp_path / "run", epochs=1)
    assert {plans[0].fisher, WEIGHTS} <= set(read)
    assert any(name.endswith("update.onnx") for name in read)
    read.clear()
    finalize(tmp_path / "run", tmp_path / "model.onnx", allow_worse=True)
    assert set(read) == {PREDICT, WEIGHTS}
    read.clear()
    inference.open_model(tmp_path / "run", 1)
    assert set(read) == {PREDICT, WEIGHTS}


def test_no_file_of_a_bundle_is_opened_by_its_path() -> None:
    """`Bundle.path` is for those who ask where something lies; the runtime reads by `Bundle.read`."""
    runtime = Path(inference.__file__).parents[1]
    using = [str(file) for file in runtime.rglob("*.py") if "bundle.path(" in file.read_text()]
    assert using == []


def test_an_archive_is_what_errors_name(tmp_path: Path) -> None:
    """Not the temporary folder that it was unpacked into."""
    shutil.copytree(compiled("feature-frozen"), tmp_path / "unpacked")
    opened = open_bundle(tmp_path / "unpacked", shown=tmp_path / "bundle.tar.gz")
    opened.path(PREDICT).write_bytes(b"")
    with pytest.raises(TbftError, match=r"bundle\.tar\.gz"):
        bundle_graph(opened, PREDICT)
