"""A run whose files are not all there, or not all of one run, goes on as what it is or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from support.files import listing
from support.runs import RUN_FILES, Recorder, assert_equal_runs, fine_tune, state_of
from support.toys import save_squares
from tbft_artifacts.errors import TbftError
from tbft_runtime import finalize
from tbft_runtime.run.folder import RunFolder

STATES = ("state.safetensors", "state.previous.safetensors")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Images of this test alone, which it may change."""
    return save_squares(tmp_path / "data.npz")


@pytest.fixture
def run(tmp_path: Path, data: Path) -> Path:
    """A run of one epoch that lost its run file."""
    fine_tune("feature-frozen", data, tmp_path / "run", epochs=1)
    (tmp_path / "run" / "run.json").unlink()
    return tmp_path / "run"


def test_a_state_alone_is_a_run(run: Path, data: Path) -> None:
    """Without `resume` nothing is trained on from somebody's old weights."""
    before = listing(run)
    with pytest.raises(TbftError, match="holds a run already"):
        fine_tune("feature-frozen", data, run, epochs=2)
    assert listing(run) == before


def test_the_state_knows_what_the_run_file_said(run: Path, data: Path, tmp_path: Path) -> None:
    """So that it is written again, and the run ends as if it had never been away."""
    recorder = Recorder()
    fine_tune("feature-frozen", data, run, recorder, epochs=3, resume=True)
    assert "run.json' is missing; it is written again" in recorder.notes[0]
    fine_tune("feature-frozen", data, tmp_path / "whole", epochs=3)
    assert_equal_runs(run, tmp_path / "whole")
    assert set(listing(run)) == RUN_FILES


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr": 0.5}, "`lr` 0.5 differs"),
        ({"seed": 8}, "`seed` 8 differs"),
        ({"bundle": "feature-adamw"}, "another bundle"),
        ({"data": 7}, "data of the run"),
    ],
    ids=["lr", "seed", "bundle", "data"],
)
def test_what_does_not_agree_with_the_state_is_refused(
    change: dict[str, Any], words: str, run: Path, data: Path
) -> None:
    """A lost run file is no way around its checks."""
    bundle = change.get("bundle", "feature-frozen")
    if "data" in change:
        save_squares(data, seed=change["data"])
    before = listing(run)
    with pytest.raises(TbftError, match=words):
        fine_tune(
            bundle, data, run, epochs=2, resume=True, **{k: v for k, v in change.items() if k not in ("bundle", "data")}
        )
    after = listing(run)
    assert {name: after[name] for name in STATES} == {name: before[name] for name in STATES}


@pytest.mark.parametrize("other", ["feature-adamw", "output-frozen", "full-batch"])
def test_a_state_of_another_run_is_refused(other: str, tmp_path: Path, squares: Path) -> None:
    """Of another bundle or plan: one line, before any of its tensors is looked for."""
    for name, bundle in (("run", "feature-frozen"), ("other", other)):
        fine_tune(bundle, squares, tmp_path / name, epochs=1)
    shutil.copy(tmp_path / "other" / STATES[0], tmp_path / "run")
    with pytest.raises(TbftError, match="is of another run") as caught:
        fine_tune("feature-frozen", squares, tmp_path / "run", epochs=2, resume=True)
    assert "of one run" in caught.value.hint


@pytest.mark.parametrize("left_out", [(".tbft-edge.lock",), (".tbft-edge.lock", "run.json")], ids=["lock", "run file"])
def test_a_run_is_known_without_its_hidden_files(left_out: tuple[str, ...], tmp_path: Path, squares: Path) -> None:
    """`cp run/* elsewhere` takes everything but the lock."""
    fine_tune("feature-frozen", squares, tmp_path / "run", epochs=1)
    for name in left_out:
        (tmp_path / "run" / name).unlink()
    assert fine_tune("feature-frozen", squares, tmp_path / "run", epochs=2, resume=True).epochs == 2


@pytest.mark.parametrize("name", ["run.json", "state.safetensors", "history.jsonl"])
def test_files_of_others_are_no_run(name: str, tmp_path: Path, squares: Path) -> None:
    """A name alone does not make a folder a run's own, whose files it may remove."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / name).write_text("{}")
    before = listing(tmp_path / "theirs")
    with pytest.raises(TbftError, match="not empty and no run folder"):
        fine_tune("feature-frozen", squares, tmp_path / "theirs", epochs=1, resume=True)
    assert listing(tmp_path / "theirs") == before


def as_before(run: Path) -> None:
    """Rewrite a run as versions did that kept every epoch, with the time of each lap, in the state."""
    folder, state = RunFolder(run), state_of(run)
    with safe_open(folder.state_file, "numpy") as file:
        said = json.loads(file.metadata()["training"])
    for name in ("sha256", "format", "best", "history", "recent", "run"):
        said.pop(name)
    epochs = [msgspec.to_builtins(epoch) for epoch in state.epochs]
    for epoch in epochs:
        epoch["step_ms"] = [1.5] * len(epoch.pop("steps")["bins"])
        for phase in epoch["phases"]:
            phase["laps_ms"] = [2.5] * len(phase.pop("laps")["bins"])
    for phase in said["preparation"]:
        phase["laps_ms"] = [3.5] * len(phase.pop("laps")["bins"])
    tensors = load_file(folder.state_file)
    for file in (folder.state_file, folder.previous_file, folder.history_file):
        file.unlink()
    save_file(tensors, folder.state_file, {"training": json.dumps({**said, "epochs": epochs})})
    stored = json.loads(folder.run_file.read_bytes())
    del stored["sha256"]
    folder.run_file.write_text(json.dumps(stored))


def test_a_run_of_an_earlier_version_goes_on(tmp_path: Path, squares: Path) -> None:
    """Its state has no checksum and no history of its own: both come with the first epoch that is saved."""
    fine_tune("feature-frozen", squares, tmp_path / "run", epochs=2)
    as_before(tmp_path / "run")
    assert [epoch.number for epoch in state_of(tmp_path / "run").epochs] == [1, 2]
    fine_tune("feature-frozen", squares, tmp_path / "run", epochs=4, resume=True)
    fine_tune("feature-frozen", squares, tmp_path / "whole", epochs=4)
    assert_equal_runs(tmp_path / "run", tmp_path / "whole")
    assert set(listing(tmp_path / "run")) == RUN_FILES


def test_an_earlier_state_without_its_run_file_is_refused(tmp_path: Path, squares: Path) -> None:
    """It does not say what it was trained by, so nothing is guessed."""
    fine_tune("feature-frozen", squares, tmp_path / "run", epochs=1)
    as_before(tmp_path / "run")
    (tmp_path / "run" / "run.json").unlink()
    with pytest.raises(TbftError, match=r"run\.json' is missing"):
        fine_tune("feature-frozen", squares, tmp_path / "run", epochs=2, resume=True)


def test_an_earlier_state_of_another_plan_is_refused(tmp_path: Path, squares: Path) -> None:
    """It does not name its plan, but its tensors do not fit."""
    for name, bundle in (("run", "feature-frozen"), ("other", "output-frozen")):
        fine_tune(bundle, squares, tmp_path / name, epochs=1)
        as_before(tmp_path / name)
    shutil.copy(tmp_path / "other" / STATES[0], tmp_path / "run")
    with pytest.raises(TbftError, match="other tensors than its plan trains"):
        fine_tune("feature-frozen", squares, tmp_path / "run", epochs=2, resume=True)


@pytest.mark.parametrize(
    "change",
    [
        {"best_epoch": 3},
        {"best_epoch": -1},
        {"best_epoch": 10**30},
        {"epoch": 7},
        {"epoch": -1},
        {"step": -1},
        {"epochs": []},
    ],
    ids=str,
)
def test_an_earlier_state_that_contradicts_itself_is_damaged(
    change: dict[str, Any], tmp_path: Path, squares: Path
) -> None:
    """Its best epoch is looked up by number: one that is not there is one line, and no traceback."""
    run = tmp_path / "run"
    fine_tune("feature-frozen", squares, run, epochs=2)
    as_before(run)
    with safe_open(run / STATES[0], "numpy") as file:
        said = json.loads(file.metadata()["training"])
    save_file(load_file(run / STATES[0]), run / STATES[0], {"training": json.dumps(said | change)})
    with pytest.raises(TbftError, match="is damaged"):
        fine_tune("feature-frozen", squares, run, epochs=4, resume=True)
    with pytest.raises(TbftError, match="is damaged"):
        finalize(run, tmp_path / "model.onnx", allow_worse=True)


def test_epochs_whose_states_are_gone_are_not_lost_without_a_word(tmp_path: Path, squares: Path) -> None:
    """A run that has a history began before: to begin anew would replace it."""
    fine_tune("output-frozen", squares, tmp_path / "run", epochs=3)
    for name in STATES:
        (tmp_path / "run" / name).unlink()
    history = (tmp_path / "run" / "history.jsonl").read_bytes()
    with pytest.raises(TbftError, match="are gone"):
        fine_tune("output-frozen", squares, tmp_path / "run", epochs=3, resume=True)
    assert (tmp_path / "run" / "history.jsonl").read_bytes() == history
