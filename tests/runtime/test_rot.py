"""Rot on the disk: whatever happens to a file of a run, its weights are the right ones, or an error says what is."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from support.damages import DAMAGES, damage, flipped
from support.runs import Recorder, assert_equal_runs, fine_tune, state_of, tensors_of
from tbft_artifacts.errors import TbftError
from tbft_artifacts.stamp import Stamp
from tbft_runtime import Predictor, finalize, read_report
from tbft_runtime.reporting.caveats import doubts

# Not a whole number of batches, so that rows of the cache are read in many groups.
OPTIONS: dict[str, Any] = {"epochs": 5, "batch_size": 7}
STATE, PREVIOUS, HISTORY = "state.safetensors", "state.previous.safetensors", "history.jsonl"
FILES = (
    STATE, PREVIOUS, HISTORY, "run.json", "cache/train.pixels", "cache/train.json", "cache/*.rows",
    "cache/activations-*.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    """The run that nothing happened to."""
    run = tmp_path_factory.mktemp("whole") / "run"
    fine_tune("feature-frozen", squares, run, **OPTIONS)
    return run


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    """The same, interrupted in its fourth epoch."""
    run = tmp_path_factory.mktemp("cut") / "run"
    with pytest.raises(KeyboardInterrupt):
        fine_tune("feature-frozen", squares, run, Recorder(interrupt_epoch=4, interrupt_after=9), **OPTIONS)
    return run


def damaged(cut: Path, folder: Path, file: str, how: str) -> Path:
    """A copy of the run in which that happened to the file."""
    run = shutil.copytree(cut, folder / "run")
    (path,) = run.glob(file)
    if how == "gone":
        path.unlink()
    else:
        damage(path, DAMAGES[how])
    return run


@pytest.mark.parametrize("how", [*DAMAGES, "gone"])
@pytest.mark.parametrize("file", FILES)
def test_resume_ends_in_the_same_weights(
    file: str, how: str, cut: Path, whole: Path, squares: Path, tmp_path: Path
) -> None:
    """One file of all is damaged: never other weights, and at most one note."""
    run = damaged(cut, tmp_path, file, how)
    recorder = Recorder()
    fine_tune("feature-frozen", squares, run, recorder, resume=True, **OPTIONS)
    expected = tensors_of(whole)
    assert {name: value.tobytes() for name, value in tensors_of(run).items()} == {
        name: value.tobytes() for name, value in expected.items()
    }
    assert len(recorder.notes) <= 1
    if file != HISTORY:
        assert_equal_runs(run, whole)
    if file in (STATE, HISTORY, "run.json") and (file, how) != (HISTORY, "longer"):
        assert Path(file).name in recorder.notes[0]


@pytest.mark.parametrize("how", [*DAMAGES, "gone"])
def test_a_damaged_state_is_not_replaced_behind_anybodys_back(how: str, cut: Path, tmp_path: Path) -> None:
    """`finalize` and `predict` do not take the weights before instead: they say how to go on."""
    run = damaged(cut, tmp_path, STATE, how)
    for use in (lambda: finalize(run, tmp_path / "model.onnx", allow_worse=True), lambda: Predictor.open(run)):
        with pytest.raises(TbftError, match=STATE) as caught:
            use()
        assert "`resume`" in caught.value.hint
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("how", [*DAMAGES, "gone"])
@pytest.mark.parametrize("file", [PREVIOUS, HISTORY, "run.json"])
def test_the_weights_of_a_run_do_not_need_its_other_files(file: str, how: str, cut: Path, tmp_path: Path) -> None:
    """The state alone knows what it was trained by: the model is the same, byte for byte."""
    finalize(cut, tmp_path / "model.onnx", allow_worse=True)
    finalize(damaged(cut, tmp_path, file, how), tmp_path / "other.onnx", allow_worse=True)
    assert (tmp_path / "other.onnx").read_bytes() == (tmp_path / "model.onnx").read_bytes()


@pytest.mark.parametrize("how", DAMAGES)
def test_both_states_damaged_are_one_error(how: str, cut: Path, squares: Path, tmp_path: Path) -> None:
    """Nothing whole is left: the run stays as it is."""
    run = damaged(cut, tmp_path, STATE, how)
    damage(run / PREVIOUS, DAMAGES[how])
    with pytest.raises(TbftError, match="is damaged") as caught:
        fine_tune("feature-frozen", squares, run, resume=True, **OPTIONS)
    assert "another `out`" in caught.value.hint
    assert (run / "run.json").exists()


def test_a_sector_that_cannot_be_read_is_damage(
    cut: Path, whole: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cards do not only flip bits: they fail to read. A file that may not be read is something else."""
    run = shutil.copytree(cut, tmp_path / "run")
    real, number = Stamp.fits, errno.EACCES

    def fits(self: Stamp, file: BinaryIO) -> bool | None:
        if os.fstat(file.fileno()).st_ino == inode:
            raise OSError(number, os.strerror(number), str(run / STATE))
        return real(self, file)

    inode = (run / STATE).stat().st_ino
    monkeypatch.setattr(Stamp, "fits", fits)
    with pytest.raises(PermissionError):
        fine_tune("feature-frozen", squares, run, resume=True, **OPTIONS)
    number = errno.EIO
    recorder = Recorder()
    fine_tune("feature-frozen", squares, run, recorder, resume=True, **OPTIONS)
    assert STATE in recorder.notes[0]
    # What was written since may have the number of what was removed.
    monkeypatch.setattr(Stamp, "fits", real)
    assert_equal_runs(run, whole)


def test_the_state_before_is_that_of_the_epoch_before(cut: Path) -> None:
    """A damaged one costs an epoch, and no more; and the history of both is in one file."""
    current, previous = state_of(cut), cut.parent / "previous" / STATE
    previous.parent.mkdir(exist_ok=True)
    shutil.copy(cut / PREVIOUS, previous)
    shutil.copy(cut / HISTORY, previous.with_name(HISTORY))
    before = state_of(previous.parent)
    assert (before.epoch, current.epoch) == (2, 3)
    # What an epoch took until it was saved is known only after that.
    assert list(before.epochs)[:1] == list(current.epochs)[:1]
    assert [epoch.train_loss for epoch in before.epochs] == [epoch.train_loss for epoch in current.epochs][:2]


def test_lost_lines_of_the_history_are_left_out(cut: Path, squares: Path, tmp_path: Path) -> None:
    """The epochs before and after a damaged line are still told."""
    run = shutil.copytree(cut, tmp_path / "run")
    first, *rest = (run / HISTORY).read_bytes().splitlines(keepends=True)
    (run / HISTORY).write_bytes(b"".join([first.replace(b"1", b"2"), *rest]))
    recorder = Recorder()
    fine_tune("feature-frozen", squares, run, recorder, resume=True, **OPTIONS)
    assert [epoch.number for epoch in state_of(run).epochs] == [2, 3, 4, 5]
    assert recorder.notes == [f"'{run / HISTORY}' was damaged: what it said of 1 of 3 epochs is lost"]
    report = read_report(run)
    assert (report.lost_epochs, report.result.epochs, len(report.epochs)) == (1, 5, 4)
    assert any("what 1 of 5 epochs took was lost" in doubt for doubt in doubts(report))


@pytest.mark.parametrize("line", [0, 1])
@pytest.mark.parametrize("how", [*DAMAGES, "gone"])
def test_state_and_history_both_damaged_cost_no_run(
    how: str, line: int, cut: Path, whole: Path, squares: Path, tmp_path: Path
) -> None:
    """The state before has epochs that the file holds as well: none is there twice, and the weights are the right ones.

    Line 1 is behind what that state knows of the file.
    """
    run = damaged(cut, tmp_path, STATE, how)
    lines = (run / HISTORY).read_bytes().splitlines(keepends=True)
    assert len(lines) > line
    lines[line] = flipped(lines[line], 400)
    (run / HISTORY).write_bytes(b"".join(lines))
    fine_tune("feature-frozen", squares, run, resume=True, **OPTIONS)
    expected = tensors_of(whole)
    assert {name: value.tobytes() for name, value in tensors_of(run).items()} == {
        name: value.tobytes() for name, value in expected.items()
    }
    numbers = [epoch.number for epoch in state_of(run).epochs]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 5
    assert len(numbers) >= 4


@pytest.mark.parametrize("file", [STATE, "run.json", "report.json"])
def test_a_finished_run_is_mended(file: str, whole: Path, squares: Path, tmp_path: Path) -> None:
    """`resume` after the end brings back what was lost."""
    run = shutil.copytree(whole, tmp_path / "run")
    damage(run / file, DAMAGES["bit in the middle"])
    fine_tune("feature-frozen", squares, run, resume=True, **OPTIONS)
    assert_equal_runs(run, whole)
    finalize(run, tmp_path / "model.onnx", allow_worse=True)
