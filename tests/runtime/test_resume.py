"""A run that was interrupted goes on where its last whole epoch ended, and ends in the same weights."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.bundles import compiled
from support.files import listing
from support.runs import RUN_FILES, Recorder, assert_equal_runs, fine_tune, history_of, state_of
from support.toys import coloured_squares, png, save_folders, save_squares
from tbft_artifacts.errors import TbftError
from tbft_runtime.run.folder import RunFolder

# Every optimizer and policy: sgd, adamw, adam; frozen, adapted and batch statistics, those also in the block alone.
BUNDLES = (
    "feature-frozen",
    "feature-adamw",
    "full-batch",
    "feature-adapt",
    "feature-block",
    "feature-batch",
    "input-batch",
)


@pytest.mark.parametrize("bundle", BUNDLES)
def test_one_and_two_epochs_are_three(bundle: str, tmp_path: Path, squares: Path) -> None:
    """A run of one epoch that is raised to three equals a run of three, bit for bit."""
    fine_tune(bundle, squares, tmp_path / "whole", epochs=3)
    fine_tune(bundle, squares, tmp_path / "parts", epochs=1)
    result = fine_tune(bundle, squares, tmp_path / "parts", epochs=3, resume=True)
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")
    assert result.epochs == 3
    assert len(state_of(tmp_path / "parts").epochs) == 3


@pytest.mark.parametrize("bundle", BUNDLES)
@pytest.mark.parametrize("epoch", [1, 2])
def test_ctrl_c_inside_an_epoch_costs_that_epoch_only(bundle: str, epoch: int, tmp_path: Path, squares: Path) -> None:
    """Half an epoch leaves no trace in weights, optimizer state, running statistics or order of the images."""
    fine_tune(bundle, squares, tmp_path / "whole", epochs=3)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(bundle, squares, tmp_path / "parts", Recorder(interrupt_epoch=epoch, interrupt_after=17), epochs=3)
    assert state_of(tmp_path / "parts").epoch == epoch - 1
    fine_tune(bundle, squares, tmp_path / "parts", epochs=3, resume=True)
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")


def test_interrupted_again_and_again(tmp_path: Path, squares: Path) -> None:
    """Every epoch of the run is reached by another process."""
    fine_tune("full-batch", squares, tmp_path / "whole", epochs=4)
    for epoch in range(1, 5):
        interrupt = Recorder(interrupt_epoch=epoch, interrupt_after=1)
        with pytest.raises(KeyboardInterrupt):
            fine_tune("full-batch", squares, tmp_path / "parts", interrupt, epochs=4, resume=True)
        assert state_of(tmp_path / "parts").epoch == epoch - 1
    fine_tune("full-batch", squares, tmp_path / "parts", epochs=4, resume=True)
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")


def test_resume_starts_a_run_that_is_not_there(tmp_path: Path, squares: Path) -> None:
    """So a script may always say --resume, on a device that loses power at any time."""
    result = fine_tune("output-frozen", squares, tmp_path / "run", epochs=1, resume=True)
    assert result.epochs == 1


def test_resume_after_the_end_changes_nothing(tmp_path: Path, squares: Path) -> None:
    """A script that is started once too often gets the same result again."""
    first = fine_tune("output-frozen", squares, tmp_path / "run", epochs=2)
    before = listing(tmp_path / "run")["state.safetensors"]
    again = fine_tune("output-frozen", squares, tmp_path / "run", epochs=2, resume=True)
    assert listing(tmp_path / "run")["state.safetensors"] == before
    assert (again.epochs, again.steps, again.loss_after) == (first.epochs, first.steps, first.loss_after)


def test_patience_is_remembered(tmp_path: Path, squares: Path) -> None:
    """Epochs without a better one count across an interruption."""
    for run, parts in (("whole", (9,)), ("parts", (1, 2, 9))):
        for epochs in parts:
            result = fine_tune(
                "output-frozen", squares, tmp_path / run, epochs=epochs, lr=0.0, patience=3, resume=epochs != parts[0]
            )
        assert result.stopped == "patience"
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")


def test_options_need_not_be_repeated(tmp_path: Path, squares: Path) -> None:
    """A resumed run keeps its seed, rate, batch size and number of epochs."""
    options: dict[str, Any] = {"seed": 4, "lr": 0.02, "batch_size": 5, "momentum": 0.5, "val_fraction": 0.3}
    fine_tune("feature-frozen", squares, tmp_path / "whole", epochs=2, **options)
    with pytest.raises(KeyboardInterrupt):
        fine_tune("feature-frozen", squares, tmp_path / "parts", Recorder(2, 1), epochs=2, **options)
    fine_tune("feature-frozen", squares, tmp_path / "parts", resume=True)
    assert_equal_runs(tmp_path / "parts", tmp_path / "whole")


@pytest.fixture
def one_epoch(tmp_path: Path, squares: Path) -> Path:
    """A run of one epoch."""
    fine_tune("feature-frozen", squares, tmp_path / "run", epochs=1)
    return tmp_path / "run"


OTHER_OPTIONS: dict[str, Any] = {
    "lr": 0.5,
    "momentum": 0.1,
    "weight_decay": 0.2,
    "batch_size": 3,
    "patience": 2,
    "seed": 9,
    "val_fraction": 0.4,
    "batch_norm": "adapt",
    "cache": "fp16",
}


@pytest.mark.parametrize("option", OTHER_OPTIONS)
def test_other_options_are_refused(option: str, one_epoch: Path, squares: Path) -> None:
    """A run is one experiment: what would change its meaning is named, and the run stays as it was."""
    before = listing(one_epoch)
    with pytest.raises(TbftError) as caught:
        fine_tune("feature-frozen", squares, one_epoch, epochs=2, resume=True, **{option: OTHER_OPTIONS[option]})
    assert caught.value.message.startswith(f"`{option}` ")
    assert f"`{option}`" in caught.value.hint
    assert listing(one_epoch) == before


def test_another_bundle_is_refused(one_epoch: Path, squares: Path) -> None:
    """The weights of one bundle mean nothing in another."""
    before = listing(one_epoch)
    with pytest.raises(TbftError, match="another bundle"):
        fine_tune("feature-adamw", squares, one_epoch, epochs=2, resume=True)
    assert listing(one_epoch) == before


def test_another_archive_is_refused(tmp_path: Path, squares: Path) -> None:
    """The run has unpacked its own bundle; a second archive is not taken for it."""
    for name in ("feature-frozen", "feature-adamw"):
        with tarfile.open(tmp_path / f"{name}.tar.gz", "w:gz") as tar:
            tar.add(compiled(name), ".")
    fine_tune(tmp_path / "feature-frozen.tar.gz", squares, tmp_path / "run", epochs=1)
    with pytest.raises(TbftError, match="another bundle"):
        fine_tune(tmp_path / "feature-adamw.tar.gz", squares, tmp_path / "run", epochs=2, resume=True)
    assert fine_tune(tmp_path / "feature-frozen.tar.gz", squares, tmp_path / "run", epochs=2, resume=True).epochs == 2


def test_other_data_is_refused(one_epoch: Path, more_squares: Path) -> None:
    """Another path is another --data."""
    with pytest.raises(TbftError, match="`data`"):
        fine_tune("feature-frozen", more_squares, one_epoch, epochs=2, resume=True)


def test_changed_data_is_refused(tmp_path: Path) -> None:
    """The same path with other images would not be the same run."""
    data = save_squares(tmp_path / "data.npz")
    fine_tune("feature-frozen", data, tmp_path / "run", epochs=1)
    state = listing(tmp_path / "run")["state.safetensors"]
    save_squares(data, seed=7)
    with pytest.raises(TbftError, match=r"data of the run .* changed"):
        fine_tune("feature-frozen", data, tmp_path / "run", epochs=2, resume=True)
    assert listing(tmp_path / "run")["state.safetensors"] == state


def test_a_picture_more_is_refused(tmp_path: Path) -> None:
    """The same for a folder."""
    images, labels = coloured_squares(16)
    save_folders(tmp_path / "data", images, labels)
    fine_tune("feature-frozen", tmp_path / "data", tmp_path / "run", epochs=1)
    (tmp_path / "data" / "ant" / "new.png").write_bytes(png(images[0]))
    with pytest.raises(TbftError, match=r"data of the run .* changed"):
        fine_tune("feature-frozen", tmp_path / "data", tmp_path / "run", epochs=2, resume=True)


def test_a_run_is_not_overwritten(one_epoch: Path, squares: Path) -> None:
    """Without --resume a folder that holds a run is refused, and stays."""
    before = listing(one_epoch)
    with pytest.raises(TbftError, match="holds a run already") as caught:
        fine_tune("feature-frozen", squares, one_epoch, epochs=2)
    assert "`resume`" in caught.value.hint
    assert listing(one_epoch) == before


def test_re_estimated_statistics_cannot_be_trained_on(tmp_path: Path, squares: Path) -> None:
    """A run of 0 epochs has no trained parameters to go on from: it is refused in words, and stays."""
    fine_tune("feature-adapt", squares, tmp_path / "run", epochs=0)
    before = listing(tmp_path / "run")
    with pytest.raises(TbftError, match="`epochs` 2"):
        fine_tune("feature-adapt", squares, tmp_path / "run", epochs=2, resume=True)
    assert listing(tmp_path / "run") == before


def test_a_locked_run_is_left_alone(one_epoch: Path, squares: Path) -> None:
    """Two processes in one folder would spoil each other's state."""
    before = listing(one_epoch)
    with RunFolder(one_epoch).lock(), pytest.raises(TbftError, match="another process is training"):
        fine_tune("feature-frozen", squares, one_epoch, epochs=2, resume=True)
    assert listing(one_epoch) == before
    assert fine_tune("feature-frozen", squares, one_epoch, epochs=2, resume=True).epochs == 2


@pytest.mark.parametrize("content", [b"", b"{", b"\x10\0\0\0\0\0\0\0" + b"x" * 16], ids=["empty", "short", "no header"])
def test_a_damaged_state_is_a_clear_error(one_epoch: Path, squares: Path, content: bytes) -> None:
    """A disk that lies about what it wrote: nothing is guessed from what is left."""
    for name in ("state.safetensors", "state.previous.safetensors"):
        (one_epoch / name).write_bytes(content)
    with pytest.raises(TbftError, match="is damaged"):
        fine_tune("feature-frozen", squares, one_epoch, epochs=2, resume=True)


def test_leftovers_of_a_killed_process_are_removed(one_epoch: Path, squares: Path) -> None:
    """Temporary files of many power cuts must not fill a small disk."""
    (one_epoch / ".state.safetensors.0123abcd.tmp").write_bytes(b"x" * 100)
    (one_epoch / ".tmp2L9mwz").write_bytes(b"x" * 100)  # As safetensors names its own.
    (one_epoch / ".bundle.0123abcd.tmp").mkdir()
    (one_epoch / "cache").mkdir()
    (one_epoch / "cache" / ".train.pixels.0123abcd.tmp").write_bytes(b"x" * 100)
    fine_tune("feature-frozen", squares, one_epoch, epochs=2, resume=True)
    assert set(listing(one_epoch)) == RUN_FILES


def test_a_start_without_a_state_is_no_run(tmp_path: Path, squares: Path) -> None:
    """The plug was pulled before the first state: there is nothing to resume, and nothing in the way."""
    fine_tune("feature-frozen", squares, tmp_path / "run", epochs=1, seed=1)
    for name in ("state.safetensors", "state.previous.safetensors", "history.jsonl"):
        (tmp_path / "run" / name).unlink()
    fine_tune("feature-frozen", squares, tmp_path / "run", epochs=1, seed=2)
    fine_tune("feature-frozen", squares, tmp_path / "fresh", epochs=1, seed=2)
    assert_equal_runs(tmp_path / "run", tmp_path / "fresh")


def test_fewer_epochs_than_done_changes_nothing(one_epoch: Path, squares: Path) -> None:
    """Epochs that were trained are not thrown away."""
    fine_tune("feature-frozen", squares, one_epoch, epochs=3, resume=True)
    history = history_of(one_epoch)
    assert fine_tune("feature-frozen", squares, one_epoch, epochs=2, resume=True).epochs == 3
    assert history_of(one_epoch) == history


def test_a_moved_run_is_resumed(one_epoch: Path, squares: Path, tmp_path: Path) -> None:
    """Nothing in a run folder depends on where it lies."""
    shutil.move(one_epoch, tmp_path / "elsewhere")
    assert fine_tune("feature-frozen", squares, tmp_path / "elsewhere", epochs=2, resume=True).epochs == 2


def test_an_old_state_does_not_share_memory_with_the_best(tmp_path: Path, squares: Path) -> None:
    """`best` is a copy: later epochs must not change it behind its back."""
    fine_tune("feature-adamw", squares, tmp_path / "run", epochs=2)
    state = state_of(tmp_path / "run")
    state.keep_best(2, None, np.empty((0, 3), np.int64), None, None)
    for name in state.current:
        state.current[name] += 1
    assert all(not np.array_equal(state.best[name], state.current[name]) for name in state.best)


def test_a_finished_run_is_not_written_again(tmp_path: Path, squares: Path) -> None:
    """A service that is started again when it is done would wear the card, every minute for years."""
    run = tmp_path / "run"
    fine_tune("feature-frozen", squares, run, epochs=2)
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in run.iterdir()}
    fine_tune("feature-frozen", squares, run, epochs=2, resume=True)
    after = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in run.iterdir()}
    assert after == before
