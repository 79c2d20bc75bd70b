"""Training of the last layer begins in closed form, where there are too few images to train one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.bundles import ALL_DRIFTS, COMPILED, FRONT, HEAD
from support.toys import coloured_squares, save_squares
from tbft_artifacts.errors import TbftError
from tbft_runtime import TrainOptions, evaluate, read_report, train
from tbft_runtime.reporting.result import TrainResult

BUNDLE = COMPILED / ALL_DRIFTS


def run(out: Path, count: int, plan: str = HEAD, **asked: object) -> TrainResult:
    """A run on squares whose labels the bundle does not know."""
    images, labels = coloured_squares(count)
    np.savez(out.with_suffix(".npz"), images=images, labels=(labels + 1) % 4)
    options = {"plan": plan, "epochs": 1, "lr": 0.0, "threads": 1, "val_fraction": 0.4} | asked
    return train(BUNDLE, TrainOptions(out.with_suffix(".npz"), out, **options))  # type: ignore[arg-type]


def test_few_images_give_a_head_before_the_first_epoch(tmp_path: Path) -> None:
    """Without a learning rate, so that all there is comes from the closed form."""
    result = run(tmp_path / "run", 40)
    assert result.learned is not None
    assert result.learned.images == 24
    assert result.best_epoch == 0
    assert result.accuracy_before is not None
    assert result.accuracy_after is not None
    assert result.accuracy_after > result.accuracy_before + 0.4
    images, labels = coloured_squares(80, seed=3)
    np.savez(tmp_path / "others.npz", images=images, labels=(labels + 1) % 4)
    assert evaluate(tmp_path / "run", tmp_path / "others.npz", threads=1).accuracy > 0.7
    assert read_report(tmp_path / "run").result.learned == result.learned


def test_it_goes_on_from_there(tmp_path: Path) -> None:
    """An interrupted run knows what it began with, and ends in the same bits."""
    whole = run(tmp_path / "whole", 40, epochs=3, lr=0.05)
    run(tmp_path / "parts", 40, epochs=1, lr=0.05)
    parts = run(tmp_path / "parts", 40, epochs=3, lr=0.05, resume=True)
    assert parts.learned == whole.learned
    assert parts.learned is not None
    states = [(tmp_path / name / "state.safetensors").stat().st_size for name in ("whole", "parts")]
    assert states[0] > 0
    assert parts.loss_after == whole.loss_after


def test_the_layer_that_is_there_is_kept_if_asked(tmp_path: Path) -> None:
    """As whoever compares training itself with other engines needs it."""
    result = run(tmp_path / "run", 40, starting_head="kept")
    assert result.learned is None
    assert result.accuracy_after == result.accuracy_before
    with pytest.raises(TbftError, match="`starting_head` auto differs from the run"):
        run(tmp_path / "run", 40, starting_head="auto", resume=True)


def test_another_way_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(TbftError, match="`starting_head` 'best' is not known"):
        run(tmp_path / "run", 40, starting_head="best")


@pytest.mark.parametrize(("count", "plan"), [(180, HEAD), (40, FRONT)])
def test_many_images_and_other_plans_begin_as_before(tmp_path: Path, count: int, plan: str) -> None:
    assert run(tmp_path / "run", count, plan).learned is None


def test_a_head_that_is_no_better_is_left(tmp_path: Path) -> None:
    """Of a network that is right already."""
    first = tmp_path / "first"
    images = save_squares(tmp_path / "squares.npz", 200)
    train(BUNDLE, TrainOptions(images, first, plan=HEAD, epochs=15, threads=1))
    few = save_squares(tmp_path / "few.npz", 40, seed=4)
    result = train(BUNDLE, TrainOptions(few, tmp_path / "run", plan=HEAD, base=first, epochs=1, lr=0.0, threads=1))
    assert result.accuracy_after is not None
    assert result.accuracy_before is not None
    assert result.accuracy_after >= result.accuracy_before
    assert result.loss_after is not None
    assert result.loss_before is not None
    assert result.loss_after <= result.loss_before
