"""A loss that stops being a number ends the run with exit code 3, and the last good state stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from support.bundles import COMPILED_NAMES, compiled
from support.runs import assert_equal_runs, fine_tune, state_of, tensors_of
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import DivergedError, TbftError
from tbft_runtime import TrainOptions, evaluate, finalize
from tbft_runtime.run.resolve import resolve
from tbft_runtime.training.step import StepResult, TrainStep, initial_state

# A weight decay that makes the weights -10 times as large in each step, on any machine and whatever the images
# are: float32 overflows after some 38 steps, so not in the first epochs.
GROWING: dict[str, Any] = {"epochs": 30, "lr": 0.1, "momentum": 0.0, "weight_decay": 110.0, "patience": 30}


def assert_finite(run: Path) -> None:
    assert all(np.isfinite(value).all() for value in tensors_of(run).values())


@pytest.mark.parametrize("bundle", COMPILED_NAMES)
def test_an_absurd_learning_rate_diverges(bundle: str, tmp_path: Path, squares: Path) -> None:
    """Whatever is trained, numbers that overflow are found, and what is saved is finite."""
    with pytest.raises(DivergedError, match=r"is no number|became nan|became inf") as caught:
        fine_tune(bundle, squares, tmp_path / "run", epochs=5, lr=3e38)
    assert caught.value.exit_code == 3
    assert "`lr`" in caught.value.hint
    assert_finite(tmp_path / "run")


def test_the_epochs_before_are_kept(tmp_path: Path, squares: Path, more_squares: Path) -> None:
    """The state file is that of a run which ended with the last good epoch."""
    with pytest.raises(DivergedError) as caught:
        fine_tune("output-frozen", squares, tmp_path / "run", validation=more_squares, **GROWING)
    good = state_of(tmp_path / "run").epoch
    assert 1 <= good < 30
    assert f"epoch {good + 1}" in caught.value.message
    assert_finite(tmp_path / "run")
    shorter = GROWING | {"epochs": good}
    fine_tune("output-frozen", squares, tmp_path / "shorter", validation=more_squares, **shorter)
    assert_equal_runs(tmp_path / "run", tmp_path / "shorter")


def test_what_was_kept_can_be_used(tmp_path: Path, squares: Path, more_squares: Path) -> None:
    """A diverged run still hands out its best state."""
    with pytest.raises(DivergedError):
        fine_tune("output-frozen", squares, tmp_path / "run", validation=more_squares, **GROWING)
    assert np.isfinite(evaluate(tmp_path / "run", squares, 1).loss)
    finalize(tmp_path / "run", tmp_path / "model.onnx", allow_worse=True)
    assert np.isfinite(evaluate(tmp_path / "model.onnx", squares, 1).loss)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_bad_step_in_a_later_epoch(
    loss: float, tmp_path: Path, squares: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single step with a loss that is no number, in the middle of epoch 3, leaves the state of epoch 2."""
    real = TrainStep.run_from_boundary
    steps = 0

    def run(self: TrainStep, *arguments: Any) -> StepResult:
        nonlocal steps
        steps += 1
        return StepResult(loss, 0) if steps == 2 * 5 + 3 else real(self, *arguments)

    monkeypatch.setattr(TrainStep, "run_from_boundary", run)
    with pytest.raises(DivergedError, match="epoch 3"):
        fine_tune("feature-adamw", squares, tmp_path / "run", epochs=5)
    monkeypatch.undo()
    assert state_of(tmp_path / "run").epoch == 2
    fine_tune("feature-adamw", squares, tmp_path / "run", resume=True)
    fine_tune("feature-adamw", squares, tmp_path / "whole", epochs=5)
    assert_equal_runs(tmp_path / "run", tmp_path / "whole")


def test_another_rate_needs_another_run(tmp_path: Path, squares: Path) -> None:
    """A lower rate is another experiment: refused in the old folder, with a hint; fine in a new one."""
    with pytest.raises(DivergedError):
        fine_tune("feature-frozen", squares, tmp_path / "run", epochs=5, lr=1e35)
    with pytest.raises(TbftError, match="`lr`") as caught:
        fine_tune("feature-frozen", squares, tmp_path / "run", epochs=5, lr=0.01, resume=True)
    assert "choose another `out`" in caught.value.hint
    assert fine_tune("feature-frozen", squares, tmp_path / "second", epochs=1, lr=0.01).epochs == 1


def test_a_diverging_resume_diverges_again(tmp_path: Path, squares: Path, more_squares: Path) -> None:
    """Resuming neither hides the trouble nor loses what was saved."""
    for resume in (False, True):
        with pytest.raises(DivergedError):
            fine_tune("output-frozen", squares, tmp_path / "run", validation=more_squares, **GROWING, resume=resume)
        assert_finite(tmp_path / "run")
    assert state_of(tmp_path / "run").epoch >= 1


def test_a_bad_step_changes_nothing(squares: Path) -> None:
    """If the loss of a batch is no number, neither weights nor running statistics nor the step count move."""
    bundle = open_bundle(compiled("full-batch"))
    plan = bundle.plan()
    settings = resolve(TrainOptions(data=squares, out=Path("unused"), threads=1), plan, bundle)
    base = load_file(bundle.weights)
    state = initial_state(bundle, plan, settings, base)
    images = np.full((4, 3, 8, 8), np.nan, np.float32)
    result = TrainStep(bundle, plan, settings, base, None).run(state, images, np.zeros(4, np.int64))
    assert not np.isfinite(result.loss)
    assert state.step == 0
    assert all(np.array_equal(value, base[name]) for name, value in state.current.items())
