"""Which images of a data set train, which validate, and which are left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import IMAGE_SIZE, compiled, read_manifest
from support.runs import Recorder, assert_equal_runs, fine_tune, state_of
from support.toys import coloured_squares, save_folders
from tbft_artifacts.errors import TbftError
from tbft_runtime import evaluate


def test_a_folder_gives_the_same_run_as_an_npz(tmp_path: Path) -> None:
    """Where the pixels come from makes no difference, if they come in the same order."""
    images, labels = coloured_squares(24)
    order = np.argsort(labels, kind="stable")
    save_folders(tmp_path / "folders", images, labels)
    np.savez(tmp_path / "data.npz", images=images[order], labels=labels[order])
    for name in ("folders", "data.npz"):
        fine_tune("output-frozen", tmp_path / name, tmp_path / f"run {name}", epochs=2)
    assert_equal_runs(tmp_path / "run folders", tmp_path / "run data.npz")


def test_unlabelled_images_are_not_trained_on(tmp_path: Path) -> None:
    """With frozen statistics a run with unlabelled images is the run without them, bit for bit."""
    images, labels = coloured_squares(24)
    noise = np.random.default_rng(9).integers(0, 256, (10, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    np.savez(tmp_path / "labelled.npz", images=images, labels=labels)
    np.savez(tmp_path / "both.npz", images=np.concatenate([images, noise]), labels=np.append(labels, [-1] * 10))
    results = [
        fine_tune("feature-frozen", tmp_path / f"{name}.npz", tmp_path / name, epochs=2)
        for name in ("labelled", "both")
    ]
    assert_equal_runs(tmp_path / "labelled", tmp_path / "both")
    assert [result.unlabelled_images for result in results] == [0, 10]
    assert results[0].train_images == results[1].train_images


def test_unlabelled_images_count_for_the_statistics(tmp_path: Path) -> None:
    """`adapt` needs images, not labels: more of them give other statistics."""
    images, labels = coloured_squares(24)
    np.savez(tmp_path / "few.npz", images=images, labels=np.where(np.arange(24) < 12, labels, -1))
    np.savez(tmp_path / "half.npz", images=images[:12], labels=labels[:12])
    for name in ("few", "half"):
        fine_tune("feature-adapt", tmp_path / f"{name}.npz", tmp_path / name, epochs=0, batch_size=64)
    found = {name: state_of(tmp_path / name).best["bn1.running_mean"] for name in ("few", "half")}
    assert not np.array_equal(found["few"], found["half"])


@pytest.mark.parametrize(
    "bundle", ["feature-adapt", "feature-frozen", "feature-block", "feature-batch", "output-frozen"]
)
def test_statistics_alone_need_no_labels(bundle: str, tmp_path: Path) -> None:
    """`--bn adapt --epochs 0` on unlabelled images changes the running statistics, all of them, and nothing else."""
    np.savez(tmp_path / "data.npz", images=coloured_squares(20)[0])
    result = fine_tune(bundle, tmp_path / "data.npz", tmp_path / "run", epochs=0, batch_norm="adapt")
    manifest = read_manifest(compiled(bundle))
    state, base = state_of(tmp_path / "run"), load_file(compiled(bundle) / "weights.safetensors")
    statistics = {name for norm in manifest.batch_norms for name in (norm.mean, norm.variance)}
    assert state.best.keys() == state.current.keys() == statistics
    assert all(not np.array_equal(value, base[name]) for name, value in state.best.items())
    assert (result.blocks, result.epochs, result.steps, result.stopped) == ((), 0, 0, "adapted")
    assert (result.train_images, result.validation_images, result.unlabelled_images) == (0, 0, 20)
    assert result.accuracy_before is result.accuracy_after is None
    assert "step" not in result.latency


def test_statistics_alone_are_validated_where_labels_are(tmp_path: Path, squares: Path) -> None:
    """With labels the result says what re-estimation alone is worth."""
    result = fine_tune("feature-adapt", squares, tmp_path / "run", epochs=0)
    assert result.loss_before is not None
    assert result.loss_after is not None
    assert result.loss_before != result.loss_after
    assert evaluate(tmp_path / "run", squares, 1).images == 48


def test_training_needs_labels(tmp_path: Path) -> None:
    """The hint says what can be done without."""
    np.savez(tmp_path / "data.npz", images=coloured_squares(8)[0])
    with pytest.raises(TbftError, match="has a label") as caught:
        fine_tune("feature-adapt", tmp_path / "data.npz", tmp_path / "run", epochs=1)
    assert "`epochs` 0" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_validation_data_of_its_own(tmp_path: Path, squares: Path, more_squares: Path) -> None:
    """Then every labelled image of --data is trained on, and every labelled one of --val validates."""
    result = fine_tune("output-frozen", squares, tmp_path / "run", validation=more_squares, epochs=1)
    assert (result.train_images, result.validation_images) == (48, 40)


def test_too_few_images(tmp_path: Path) -> None:
    """One image cannot be trained on and validated on."""
    np.savez(tmp_path / "data.npz", images=coloured_squares(1)[0], labels=[0])
    with pytest.raises(TbftError, match="too few"):
        fine_tune("output-frozen", tmp_path / "data.npz", tmp_path / "run", epochs=1)


def test_unreadable_pictures_are_skipped_counted_and_named(tmp_path: Path) -> None:
    """They are told at once and in the result; the run is that of the readable ones."""
    images, labels = coloured_squares(24)
    save_folders(tmp_path / "good", images, labels)
    save_folders(tmp_path / "bad", images, labels)
    (tmp_path / "bad" / "dog" / "zzz.jpg").write_bytes(b"no picture")
    (tmp_path / "bad" / "unlabelled").mkdir()
    (tmp_path / "bad" / "unlabelled" / "empty.png").touch()
    recorder = Recorder()
    result = fine_tune("output-frozen", tmp_path / "bad", tmp_path / "bad run", recorder, epochs=1)
    fine_tune("output-frozen", tmp_path / "good", tmp_path / "good run", epochs=1)
    assert result.skipped_images == ("dog/zzz.jpg", "unlabelled/empty.png")
    assert recorder.notes == ["skipped 2 unreadable images: 'dog/zzz.jpg', 'unlabelled/empty.png'"]
    assert_equal_runs(tmp_path / "good run", tmp_path / "bad run")
