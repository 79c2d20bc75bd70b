"""A run's own copy of its bundle rots like everything on a card; the archive that it came from mends it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.bundles import compiled, compiled_copy
from support.files import listing
from support.runs import Recorder, assert_equal_runs, fine_tune
from support.tars import END, members, pack
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime import evaluate, finalize, predict
from tbft_runtime.run.folder import RunFolder

BUNDLE = "output-frozen"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("archive") / "bundle.tar.gz", *members(compiled(BUNDLE)), END)


@pytest.fixture(scope="module")
def one_epoch(archive: Path, squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch; tests take copies."""
    run = tmp_path_factory.mktemp("whole") / "run"
    fine_tune(archive, squares, run, epochs=1)
    return run


@pytest.fixture(scope="module")
def two_epochs(archive: Path, squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the run is to come to."""
    run = tmp_path_factory.mktemp("longer") / "run"
    fine_tune(archive, squares, run, epochs=2)
    return run


@pytest.fixture
def run(one_epoch: Path, tmp_path: Path) -> Path:
    return shutil.copytree(one_epoch, tmp_path / "run")


def _emptied(bundle: Path) -> None:
    (bundle / "weights.safetensors").write_bytes(b"")


def _halved(bundle: Path) -> None:
    content = (bundle / "predict.onnx").read_bytes()
    (bundle / "predict.onnx").write_bytes(content[: len(content) // 2])


def _one_bit(bundle: Path) -> None:
    content = bytearray((bundle / "weights.safetensors").read_bytes())
    content[-5] ^= 1
    (bundle / "weights.safetensors").write_bytes(bytes(content))


def _zeroed_manifest(bundle: Path) -> None:
    (bundle / "manifest.json").write_bytes(bytes((bundle / "manifest.json").stat().st_size))


def _a_pipe(bundle: Path) -> None:
    (bundle / "predict.onnx").unlink()
    os.mkfifo(bundle / "predict.onnx")


def _nothing(bundle: Path) -> None:
    shutil.rmtree(bundle)
    bundle.mkdir()


def _a_file(bundle: Path) -> None:
    shutil.rmtree(bundle)
    bundle.write_text("no folder")


def _a_link(bundle: Path) -> None:
    bundle.rename(bundle.with_name("elsewhere"))
    bundle.symlink_to("nowhere")


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a file emptied": _emptied,
    "a file halved": _halved,
    "one bit": _one_bit,
    "a file gone": lambda bundle: (bundle / "statistics.onnx").unlink(),
    "a folder gone": lambda bundle: shutil.rmtree(bundle / "plans"),
    "manifest gone": lambda bundle: (bundle / "manifest.json").unlink(),
    "manifest zeroed": _zeroed_manifest,
    "all of it gone": lambda bundle: shutil.rmtree(bundle),
    "nothing in it": _nothing,
    "a pipe in place of a file": _a_pipe,
    "a file in its place": _a_file,
    "a link in its place": _a_link,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_archive_mends_the_copy(
    damage: str, run: Path, archive: Path, squares: Path, two_epochs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run says so once and ends as if nothing had been; its folder holds nothing more than before."""
    DAMAGE[damage](RunFolder(run).bundle)
    notes: list[str] = []
    heard = Recorder()
    monkeypatch.setattr(heard, "note", notes.append)
    fine_tune(archive, squares, run, heard, epochs=2, resume=True)
    said = [note for note in notes if "unpacked" in note]
    assert len(said) == 1
    assert f"'{archive}'" in said[0]
    assert listing(RunFolder(run).bundle) == listing(compiled(BUNDLE))
    assert {path.name for path in run.iterdir()} - {"elsewhere"} == {path.name for path in two_epochs.iterdir()}
    assert_equal_runs(run, two_epochs)


def test_a_whole_copy_is_left_alone(run: Path, archive: Path, squares: Path) -> None:
    """A resumed run does not unpack again what is there."""
    before = (RunFolder(run).bundle / "manifest.json").stat().st_ino
    fine_tune(archive, squares, run, epochs=2, resume=True)
    assert (RunFolder(run).bundle / "manifest.json").stat().st_ino == before


@pytest.mark.parametrize("damage", ["one bit", "all of it gone"])
def test_another_archive_mends_nothing(
    damage: str, run: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before any of it is unpacked, and the folder stays as it was."""
    DAMAGE[damage](RunFolder(run).bundle)
    other = pack(tmp_path / "other.tar.gz", *members(compiled("feature-adamw")), END)
    before = listing(run)
    monkeypatch.setattr("tbft_runtime.beginning.opened.unpack", lambda *_: pytest.fail("nothing is to be unpacked"))
    with pytest.raises(TbftError, match="another bundle"):
        fine_tune(other, squares, run, epochs=2, resume=True)
    assert listing(run) == before


def test_a_damaged_archive_takes_nothing_away(run: Path, archive: Path, squares: Path, tmp_path: Path) -> None:
    """What is left of the copy goes only when the archive was unpacked well."""
    _one_bit(RunFolder(run).bundle)
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(archive.read_bytes()[:-2000])
    before = listing(run)
    with pytest.raises(TbftError, match=r"cut\.tar\.gz' is damaged"):
        fine_tune(cut, squares, run, epochs=2, resume=True)
    assert listing(run) == before


def test_a_run_whose_copy_is_damaged_says_what_mends_it(run: Path, archive: Path, squares: Path) -> None:
    """Where no archive is named; and the archive alone will do to finalize."""
    _one_bit(RunFolder(run).bundle)
    model = run.parent / "model.onnx"
    for use in (
        lambda: evaluate(run, squares, 1),
        lambda: list(predict(run, [squares], 1)),
        lambda: finalize(run, model, allow_worse=True),
    ):
        with pytest.raises(TbftError, match="its content changed") as caught:
            use()
        assert "'tbft-edge train ARCHIVE'" in caught.value.hint
        assert "`resume`" in caught.value.hint
    before = listing(run)
    finalize(run, model, allow_worse=True, bundle=archive)
    assert listing(run) == before
    assert model.exists()


@pytest.mark.parametrize("killed_at", [1, 2])
def test_a_repair_that_is_killed_is_done_again(
    killed_at: int, run: Path, archive: Path, squares: Path, two_epochs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the old copy makes way for the new one: neither is in the place then, and nothing of them stays."""
    _one_bit(RunFolder(run).bundle)
    renamed, times = Path.rename, []

    def rename(path: Path, target: Path) -> Path:
        times.append(path)
        if len(times) == killed_at:
            raise KeyboardInterrupt
        return renamed(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(archive, squares, run, epochs=2, resume=True)
    monkeypatch.undo()
    fine_tune(archive, squares, run, epochs=2, resume=True)
    assert listing(RunFolder(run).bundle) == listing(compiled(BUNDLE))
    assert {path.name for path in run.iterdir()} == {path.name for path in two_epochs.iterdir()}
    assert_equal_runs(run, two_epochs)


def test_a_start_that_fails_leaves_nothing_of_the_archive(tmp_path: Path, squares: Path) -> None:
    """An archive that is whole, of a bundle that is not."""
    source = compiled_copy(BUNDLE, tmp_path / "source")
    _one_bit(source)
    spoilt = pack(tmp_path / "spoilt.tar.gz", *members(source), END)
    with pytest.raises(TbftError, match="its content changed"):
        fine_tune(spoilt, squares, tmp_path / "run", epochs=1)
    assert not (tmp_path / "run").exists()


def test_what_was_unpacked_is_the_bundle(run: Path) -> None:
    """The tests above damage what a run really uses."""
    assert open_bundle(RunFolder(run).bundle).manifest == open_bundle(compiled(BUNDLE)).manifest
