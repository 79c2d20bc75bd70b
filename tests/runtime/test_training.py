"""`train` learns what can be learned, from labelled images only, and reports it truthfully."""

from __future__ import annotations

import tarfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import COMPILED_NAMES, compiled, compiled_copy, read_manifest
from support.files import listing
from support.runs import RUN_FILES, Recorder, assert_equal_runs, fine_tune, state_of, tensors_of
from support.toys import coloured_squares, save_squares
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime import TrainOptions, TrainResult, evaluate, train
from tbft_runtime.laps import LapSum
from tbft_runtime.reporting.report import Report
from tbft_runtime.run.folder import RunFolder


@pytest.mark.parametrize("bundle", COMPILED_NAMES)
def test_every_bundle_learns(bundle: str, tmp_path: Path, squares: Path, more_squares: Path) -> None:
    """Four colours can be told apart: loss falls, accuracy rises, and `eval` finds the same afterwards."""
    result = fine_tune(bundle, squares, tmp_path / "run", validation=more_squares, epochs=20)
    assert result.accuracy_before is not None
    assert result.accuracy_after is not None
    assert result.loss_before is not None
    assert result.loss_after is not None
    assert result.accuracy_after >= result.accuracy_before + 0.4
    assert result.loss_after < 0.7 * result.loss_before
    losses = [epoch.train_loss for epoch in state_of(tmp_path / "run").epochs]
    # A last layer that begins in closed form has little left to learn.
    assert losses[-1] < (0.8 if result.learned is None else 1.0) * losses[0]

    before, after = (evaluate(model, more_squares, 1) for model in (compiled(bundle), tmp_path / "run"))
    assert before.accuracy == pytest.approx(result.accuracy_before)
    assert before.loss == pytest.approx(result.loss_before, rel=1e-4)
    assert after.accuracy == pytest.approx(result.accuracy_after)
    assert after.loss == pytest.approx(result.loss_after, rel=1e-4)


@pytest.mark.parametrize("bundle", COMPILED_NAMES)
def test_only_the_plan_is_trained(bundle: str, tmp_path: Path, squares: Path) -> None:
    """Trained parameters change; running statistics only where the policy moves them; nothing else is kept."""
    manifest = open_bundle(compiled(bundle)).manifest
    (plan,) = manifest.plans
    fine_tune(bundle, squares, tmp_path / "run", epochs=2)
    base, state = load_file(compiled(bundle) / "weights.safetensors"), state_of(tmp_path / "run")
    trained = {parameter.name for parameter in plan.parameters}
    norms = manifest.batch_norms if plan.batch_norm == "adapt" else manifest.moving_norms(plan)
    assert state.current.keys() == trained | {name for norm in norms for name in (norm.mean, norm.variance)}
    assert all(not np.array_equal(value, base[name]) for name, value in state.current.items())
    assert state.slots.keys() == {name.state(slot) for name in plan.parameters for slot in plan.optimizer.slots}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> tuple[TrainResult, Path]:
    """A run of three epochs with a validation part of its own data."""
    run = tmp_path_factory.mktemp("trained") / "run"
    return fine_tune("feature-batch", squares, run, epochs=3, val_fraction=0.25, batch_size=7, seed=5), run


def test_the_result_is_consistent(trained: tuple[TrainResult, Path]) -> None:
    """Counts, settings and state say the same."""
    result, run = trained
    state = state_of(run)
    assert (result.train_images, result.validation_images, result.unlabelled_images) == (36, 12, 0)
    assert result.skipped_images == ()
    assert (result.epochs, result.stopped) == (3, "epochs")
    assert result.steps == state.step == 3 * 6  # 36 images in batches of 7: five whole and one of a single image.
    assert all(epoch.steps.count == 6 for epoch in state.epochs)
    assert (result.batch_size, result.seed, result.threads, result.lr) == (7, 5, 1, 0.05)
    manifest = read_manifest(compiled("feature-batch"))
    assert result.bundle_id == manifest.bundle_id
    assert (result.plan, result.drift, result.blocks) == (manifest.plans[0].id, "feature", ("layer2",))
    assert result.batch_norm == "batch"
    assert (result.energy.joules, result.energy.net_joules, result.energy.source) == (None, None, None)
    assert result.energy.unavailable
    assert result.runtime.keys() >= {"onnxruntime", "numpy", "python", "machine"}


def test_the_result_is_kept_in_the_run(trained: tuple[TrainResult, Path]) -> None:
    """`report.json` holds what `train` returned; settings are in `run.json`; prepared images are gone."""
    result, run = trained
    assert msgspec.json.decode((run / "report.json").read_bytes(), type=Report).result == result
    stored = RunFolder(run).read_run()
    assert stored is not None
    assert (stored.settings.epochs, stored.settings.seed, stored.settings.batch_size) == (3, 5, 7)
    assert set(listing(run)) == RUN_FILES


def test_times_are_measured(trained: tuple[TrainResult, Path]) -> None:
    """Latency, throughput and memory are numbers that fit together; none is made up."""
    result, run = trained
    epochs = state_of(run).epochs
    steps = LapSum()
    for epoch in epochs:
        steps.add(epoch.steps, warms_up=epoch.warm_up)
    step = result.latency["step"]
    assert (step.count, step.warm_up) == (3 * 6 - 1, 1)
    assert step == steps.latency()
    assert result.images_per_second == pytest.approx(3 * 36 / (steps.ms / 1000))
    assert result.train_seconds == pytest.approx(sum(epoch.seconds for epoch in epochs))
    assert steps.ms / 1000 < result.train_seconds
    assert 10e6 < result.peak_memory_bytes < 100e9


def test_progress_is_reported(tmp_path: Path, squares: Path) -> None:
    """Every phase begins, every image of it is counted, every epoch is told once."""
    recorder = Recorder()
    fine_tune("feature-adapt", squares, tmp_path / "run", recorder, epochs=2, val_fraction=0.25)
    assert recorder.phases == [
        "preparing train images",
        "evaluating the base model",
        "re-estimating batch-norm statistics",
        "epoch 1 of 2",
        "epoch 2 of 2",
    ]
    assert recorder.advanced == 36
    assert [(number, total) for number, total, _ in recorder.epochs] == [(1, 2), (2, 2)]


def test_paths_may_be_text(tmp_path: Path, squares: Path, more_squares: Path) -> None:
    """A notebook says where things are in plain strings, and goes on with paths if it likes."""
    fine_tune("output-frozen", squares, tmp_path / "run", epochs=2, validation=more_squares)
    plain = {"data": str(squares), "out": str(tmp_path / "plain"), "validation": str(more_squares), "threads": 1}
    train(compiled("output-frozen"), TrainOptions(**plain, epochs=1))
    again = TrainOptions(squares, tmp_path / "plain", validation=more_squares, epochs=2, threads=1, resume=True)
    train(compiled("output-frozen"), again)
    assert_equal_runs(tmp_path / "plain", tmp_path / "run")


def test_the_same_seed_is_the_same_run(tmp_path: Path, squares: Path) -> None:
    """On one thread, bit for bit."""
    for run in ("first", "second"):
        fine_tune("full-batch", squares, tmp_path / run, epochs=2, seed=3)
    assert_equal_runs(tmp_path / "first", tmp_path / "second")


def test_another_seed_is_another_run(tmp_path: Path, squares: Path, more_squares: Path) -> None:
    """The seed decides the order of the images, also where it decides no split."""
    for seed in (0, 1):
        fine_tune("output-frozen", squares, tmp_path / str(seed), validation=more_squares, epochs=2, seed=seed)
    first, second = tensors_of(tmp_path / "0"), tensors_of(tmp_path / "1")
    assert not np.array_equal(first["current/fc.weight"], second["current/fc.weight"])


def test_patience_ends_a_run(tmp_path: Path, squares: Path, more_squares: Path) -> None:
    """With a learning rate of 0 nothing improves, and the run stops after so many epochs without a better one."""
    result = fine_tune(
        "feature-frozen", squares, tmp_path / "run", validation=more_squares, epochs=50, lr=0.0, patience=3
    )
    assert result.stopped == "patience"
    assert result.epochs - result.best_epoch == 3
    assert result.epochs < 10
    assert result.accuracy_after == result.accuracy_before


def test_the_best_state_is_kept(tmp_path: Path, squares: Path, more_squares: Path) -> None:
    """A high learning rate overshoots; what is handed out is the epoch with the lowest validation loss."""
    run = tmp_path / "run"
    result = fine_tune("feature-adamw", squares, run, validation=more_squares, epochs=12, lr=1.0, patience=12)
    state = state_of(run)
    losses = [epoch.validation.loss for epoch in state.epochs]
    assert result.best_epoch == int(np.argmin(losses)) + 1 < result.epochs
    assert result.loss_after == min(losses)
    assert evaluate(run, more_squares, 1).loss == pytest.approx(min(losses), rel=1e-4)
    assert any(not np.array_equal(state.best[name], state.current[name]) for name in state.best)

    shorter = tmp_path / "shorter"
    fine_tune("feature-adamw", squares, shorter, validation=more_squares, epochs=result.best_epoch, lr=1.0)
    kept = state_of(shorter).current
    assert all(np.array_equal(state.best[name], kept[name]) for name in kept)


def test_a_base_that_stays_best_is_kept(tmp_path: Path, squares: Path, more_squares: Path) -> None:
    """If no epoch is better than the base model, the base model is what the run hands out."""
    run = tmp_path / "run"
    images, labels = coloured_squares(40, seed=1)
    np.savez(tmp_path / "wrong.npz", images=images, labels=(labels + 1) % 4)
    result = fine_tune("output-frozen", tmp_path / "wrong.npz", run, validation=more_squares, epochs=3, lr=0.5)
    base = load_file(compiled("output-frozen") / "weights.safetensors")
    assert result.best_epoch == 0
    assert all(np.array_equal(value, base[name]) for name, value in state_of(run).best.items())
    assert result.loss_after == result.loss_before
    assert not result.is_worse


def test_an_archive_is_trained_like_its_folder(tmp_path: Path, squares: Path) -> None:
    """The bundle's transport form; it is unpacked into the run's folder and verified."""
    with tarfile.open(tmp_path / "bundle.tar.gz", "w:gz") as tar:
        tar.add(compiled("output-frozen"), ".")
    fine_tune(tmp_path / "bundle.tar.gz", squares, tmp_path / "packed", epochs=1)
    fine_tune("output-frozen", squares, tmp_path / "plain", epochs=1)
    assert_equal_runs(tmp_path / "packed", tmp_path / "plain")
    assert evaluate(tmp_path / "packed", squares, 1).loss == evaluate(tmp_path / "plain", squares, 1).loss


def test_adapting_a_block_fixes_what_is_before_it(tmp_path: Path, squares: Path) -> None:
    """`--bn adapt` on a `block` plan: statistics before the boundary stay those of the pass, those behind move on."""
    manifest = read_manifest(compiled("feature-block"))
    behind = {name for norm in manifest.moving_norms(manifest.plans[0]) for name in (norm.mean, norm.variance)}
    for epochs in (0, 1, 2):
        fine_tune("feature-block", squares, tmp_path / str(epochs), epochs=epochs, batch_norm="adapt")
    states = [state_of(tmp_path / str(epochs)).current for epochs in (0, 1, 2)]
    for norm in manifest.batch_norms:
        for name in (norm.mean, norm.variance):
            values = {state[name].tobytes() for state in states}
            assert len(values) == (3 if name in behind else 1), name


def one_value_per_channel(folder: Path) -> Path:
    """A bundle whose last batch norm sees one value per channel and image."""
    manifest = read_manifest(compiled("feature-batch"))
    *norms, last = manifest.batch_norms
    changed = (*norms, msgspec.structs.replace(last, values=1))
    return compiled_copy("feature-batch", folder, batch_norms=changed)


def test_one_value_per_channel_is_refused_before_anything_is_written(tmp_path: Path, more_squares: Path) -> None:
    """A last batch of one image has no variance; the run does not start, and the next try may use the same --out."""
    bundle = one_value_per_channel(tmp_path / "bundle")
    data = save_squares(tmp_path / "data.npz", 40)
    with pytest.raises(TbftError, match="one value per channel"):
        fine_tune(bundle, data, tmp_path / "run", validation=more_squares, epochs=1, batch_size=13)
    assert not (tmp_path / "run").exists()
    assert fine_tune(bundle, data, tmp_path / "run", validation=more_squares, epochs=1, batch_size=8).steps == 5


@pytest.mark.parametrize("batch_size", [1, 3, 8, 1000])
def test_any_batch_size(batch_size: int, tmp_path: Path, squares: Path) -> None:
    """Other than the exported one, down to single images and up to more than there are."""
    result = fine_tune("full-batch", squares, tmp_path / "run", epochs=1, batch_size=batch_size)
    assert result.steps == -(-result.train_images // batch_size)
    assert result.loss_after is not None
    assert np.isfinite(result.loss_after)


def test_a_folder_with_other_files_is_no_run_folder(tmp_path: Path) -> None:
    """A run replaces and removes files in its folder, so it must be the run's own."""
    bundle = compiled_copy("output-frozen", tmp_path / "bundle")
    (tmp_path / "cache").mkdir()
    before = listing(tmp_path)
    data = save_squares(tmp_path / "squares.npz")
    with pytest.raises(TbftError, match="is not empty and no run folder"):
        train(bundle, TrainOptions(data=data, out=tmp_path, epochs=1))
    assert set(listing(tmp_path)) == {*before, "squares.npz"}
